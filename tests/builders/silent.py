"""Stand-ins for tests of a run's passes: an engine without a model, and a job and sampler that record nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from kvbench.engines.base import Completion, Generated


class SilentEngine:
    """Complete every request at once with token 5 and log the calls in `did`."""

    def __init__(self):
        self.did = []

    def generate(self, requests, tick, terminal, label, due_ns=None):
        self.did.append("generate")
        return Generated([Completion(r.request_id, [5], 0, 0, 0) for r in requests])

    def collect(self, generated, repeat):
        return generated

    def memory(self):
        self.did.append("memory")
        return {"reserved": 7}

    def begin_peak(self):
        self.did.append("begin_peak")


class SilentBar:
    """A progress bar that displays nothing; `seen` lists its updates."""

    def __init__(self):
        self.seen = []

    def update(self, number):
        self.seen.append(number)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def silent_job() -> SimpleNamespace:
    """A job that shows no progress."""
    return SimpleNamespace(progress=lambda total, unit: SilentBar(), terminal=None)


def silent_sampler(energy_j: Callable[[], float | None] = lambda: None) -> SimpleNamespace:
    """A sampler that discards phases and samples; `energy_j` stands for the energy counter."""
    return SimpleNamespace(
        sample=lambda: None,
        enter=lambda phase: None,
        session=SimpleNamespace(energy_j=energy_j),
        stops=SimpleNamespace(seconds=lambda begin_ns, end_ns: 0.0),
    )

"""Stand-ins for what surrounds the passes of a run: an engine without a model, a job and samplers without a trace."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from kvbench.engines.base import Completion, Generated


class SilentEngine:
    """Serves every request at once with a token 5, and notes what it was asked to do."""

    def __init__(self):
        self.did = []

    def generate(self, requests, tick, terminal, label):
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
    """A progress bar; `seen` holds what it was told."""

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
    """A job whose progress nobody sees."""
    return SimpleNamespace(progress=lambda total, unit: SilentBar(), terminal=None)


def silent_sampler(energy_j: Callable[[], float | None] = lambda: None) -> SimpleNamespace:
    """Phases and samples of a run that are kept nowhere; `energy_j` reads the counter."""
    return SimpleNamespace(sample=lambda: None, enter=lambda phase: None, session=SimpleNamespace(energy_j=energy_j))

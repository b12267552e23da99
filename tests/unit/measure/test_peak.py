"""Peaks of memory are of what comes after the warm-up, which may hold more than serving does."""

from types import SimpleNamespace

from kvbench.engines.base import Completion, Generated
from kvbench.measure import serving
from kvbench.measure.passes import plan_passes
from kvbench.workload.read import Request

REQUESTS = [Request("a", None, (1, 2), 1, 0.0)]


class Engine:
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


class Bar:
    update = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def test_a_peak_begins_once_after_the_warm_up():
    engine = Engine()
    quiet = SimpleNamespace(
        sample=lambda: None, enter=lambda phase: None, session=SimpleNamespace(energy_j=lambda: None)
    )
    job = SimpleNamespace(progress=lambda total, unit: Bar(), terminal=None)
    passes = plan_passes("vllm", REQUESTS, 2, 0, read_blocks=False)
    served = serving._run_passes(engine, passes, quiet, quiet, job)
    assert engine.did == ["generate", "memory", "begin_peak", "generate", "generate"]
    assert served.warm_reserved == 7

"""Memory peaks exclude the warm-up, which may need more memory than serving."""

from builders.requests import request
from builders.silent import SilentEngine, silent_job, silent_sampler

from kvbench.measure import serving
from kvbench.measure.passes import plan_passes


def test_a_peak_begins_once_after_the_warm_up():
    engine = SilentEngine()
    sampler = silent_sampler()
    passes = plan_passes("vllm", [request(2, 1)], 2, 0, read_blocks=False)
    served = serving._run_passes(engine, passes, sampler, sampler, silent_job())
    assert engine.did == ["generate", "memory", "begin_peak", "generate", "generate"]
    assert served.warm_reserved == 7

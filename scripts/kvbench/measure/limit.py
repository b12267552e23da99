"""How long a run may take: a limit far above any measured time, which only a run that hangs reaches."""

from __future__ import annotations

from collections.abc import Sequence

from kvbench.engines.base import EngineSettings
from kvbench.measure.passes import Pass

# A step of decoding reads all weights once. No machine that can hold a model reads them slower than this, and no host
# starts the kernels of a step slower: an H100 took 0.1 s a step of Transformers at 7B, a CPU of 2 cores 0.07 s at 135M.
BYTES_PER_S = {"cpu": 2e8, "cuda": 2e10}
LEAST_STEP_S = 0.2
PROMPT_TOKENS = 8  # that a prefill does in the time of a step; on 2 cores 12
LOAD_S = 3600.0  # import, load, compilation, and all else that is done once


def limit_s(settings: EngineSettings, weights_bytes: int, passes: Sequence[Pass]) -> float:
    """Seconds for a run of `passes` one request at a time, after the last arrivals, on a slow machine."""
    step_s = max(LEAST_STEP_S, weights_bytes / BYTES_PER_S[settings.device])
    requests = [request for one in passes for request in one.requests]
    steps = sum(r.output_tokens + r.prompt_tokens / PROMPT_TOKENS for r in requests)
    return LOAD_S + steps * step_s + sum(max(one.due_s or [0.0]) for one in passes)

"""The limits that a request has to keep where requests arrive over time."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Slo:
    """Limits on the time to first token and the time per output token, and the share of requests to keep both."""

    ttft_s: float
    tpot_s: float
    share: float
    name: str | None  # of a published pair of limits


# MLPerf Inference, Llama 2 70B: https://mlcommons.org/2025/04/llm-inference-v5
NAMED = {
    "mlperf-llama2-70b-server": {"ttft_s": 2.0, "tpot_s": 0.2},
    "mlperf-llama2-70b-interactive": {"ttft_s": 0.45, "tpot_s": 0.04},
}


def slo_of(config: dict) -> Slo:
    """The limits of a configuration; one that gives a limit of its own has no name."""
    given = config["slo"]
    own = {key: given[key] for key in ("ttft_s", "tpot_s") if key in given}
    return Slo(**{**NAMED[given["name"]], **own}, share=given["share"], name=None if own else given["name"])


def slo_params(config: dict) -> dict:
    """The limits as a job's parameters."""
    return asdict(slo_of(config))

"""What a fleet's replay came to: latencies of the requests, rate within the limits, and the work of each replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.analysis.saturation import growth
from kvbench.analysis.statistics import quantile
from kvbench.replay.fleet import FleetReplay
from kvbench.replay.inputs import Trace
from kvbench.replay.result import RequestTimes
from kvbench.workload.latencies import completed_per_s, in_window, latencies, within

TIMES = ("ttft", "tpot", "e2e")
AT_ONCE = 1 << 20  # requests: ten million have no more than one array of each time


def outcome(trace: Trace, found: FleetReplay, slo: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a fleet in fleet.json.

    Latencies and attainment are over requests that arrive after the first tenth of the arrivals, as in serving.csv;
    `slo` has `ttft_s` and `tpot_s`. A time is None where there are too few requests for it (`statistics.quantile`).
    """
    due, start, finish = (ns / 1e9 for ns in (trace.arrival_ns, found.requests.start_ns, found.requests.finish_ns))
    rate = completed_per_s(due, finish)
    saturated = growth([(due, start, finish, trace.output_tokens)]).saturated
    kept = in_window(due)
    del due, start, finish
    return {
        **_latencies(trace, found.requests, kept, slo, rate),
        "completed_per_s": rate,
        "saturated": saturated,
        "each": _each(trace, found),
    }


def _latencies(
    trace: Trace, times: RequestTimes, kept: NDArray[np.bool_], slo: Mapping[str, Any], rate: float
) -> dict[str, Any]:
    count, done, normalized_s, ok = int(kept.sum()), 0, 0.0, 0
    seconds = {name: np.empty(count) for name in TIMES}
    for begin in range(0, len(trace), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        clocks = (trace.arrival_ns, times.first_token_ns, times.finish_ns)
        some = latencies(*(clock[part] / 1e9 for clock in clocks), trace.output_tokens[part]).of(kept[part])
        end = done + len(some.ttft_s)
        for name in TIMES:
            seconds[name][done:end] = getattr(some, f"{name}_s")
        normalized_s += float(some.normalized_s.sum())
        ok += int(within(some, slo["ttft_s"], slo["tpot_s"]).sum())
        done = end
    return {
        "attainment_share": ok / count,
        "goodput_per_s": ok / count * rate,
        "normalized_latency_mean_s": normalized_s / count,
        **{name: value for one in TIMES for name, value in _quantiles(one, seconds.pop(one)).items()},
    }


def _quantiles(name: str, seconds: NDArray[np.float64]) -> dict[str, float | None]:
    """Median, p90 and p99 of the times that exist: a request of one token has no TPOT."""
    known = seconds[~np.isnan(seconds)] if name == "tpot" else seconds
    median = float(np.median(known)) if len(known) else None
    return {f"{name}_median_s": median, **{f"{name}_p{q}_s": quantile(known, q / 100) for q in (90, 99)}}


def _each(trace: Trace, found: FleetReplay) -> list[dict[str, Any]]:
    """Requests and tokens that each replica was sent, and the exact sums over its steps."""
    count = len(found.totals)
    sums = {
        "requests": np.bincount(found.replica, minlength=count),
        "prompt_tokens": _added(found.replica, trace.prompt_tokens, count),
        "output_tokens": _added(found.replica, trace.output_tokens, count),
    }
    return [
        {**{name: int(values[at]) for name, values in sums.items()}, "totals": asdict(totals)}
        for at, totals in enumerate(found.totals)
    ]


def _added(replica: NDArray[np.int32], tokens: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Tokens by replica: floats hold such sums exactly up to 2^53."""
    return np.bincount(replica, tokens, minlength=count).astype(np.int64)

"""Runs an entry of `replays`: replays its requests under each of its policies and builds the output files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvbench.replay.held import alone_live_share
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.result import COLUMNS, Replay
from kvbench.replay.simulate import replay
from kvbench.replay.step_time import StepTime
from kvbench.replay.window import window_of

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """The result of a scenario under one policy."""

    settings: Settings
    found: Replay


def outcomes(scenario: Mapping[str, Any], trace: Trace, progress: Progress | None = None) -> Iterator[Outcome]:
    """A replay under each policy in turn; `progress` gets numbers of ended requests."""
    for policy in scenario["policies"]:
        own = settings_of(scenario, policy)
        kept, bins = scenario["keep_steps"], scenario["series_bins"]
        yield Outcome(own, replay(trace, own, keep_steps=kept, series_bins=bins, progress=progress))


def settings_of(scenario: Mapping[str, Any], policy: str) -> Settings:
    """A scenario's settings under one of its policies."""
    names = ("pool_slots", "max_running", "max_step_tokens", "max_length", "block_size", "allocator")
    return Settings(
        policy,
        **{name: scenario[name] for name in names},
        prefix_sharing=scenario["prefix_sharing"] and policy == "paged",
        step_time=StepTime.given(scenario.get("step_time")),
    )


def notes(scenario: Mapping[str, Any], trace: Trace) -> Iterator[str]:
    """Notes for the terminal: how many of the file's requests are used, and whether prefix sharing finds nothing."""
    if trace.file and trace.file.left_out(len(trace)):
        yield trace.file.words(len(trace))
    common = int(trace.common_tokens.max())
    if scenario["prefix_sharing"] and common < scenario["block_size"]:
        yield (
            f"prefix_sharing finds nothing: prompts have at most their first {common} tokens in common, and only full "
            f"blocks of {scenario['block_size']} are shared"
        )


def record(name: str, scenario: Mapping[str, Any], seed: int, trace: Trace, ran: Sequence[Outcome]) -> dict[str, Any]:
    """replay.json: the scenario, its requests, and for each policy exact sums over all steps and over the window."""
    return {
        "scenario": name,
        "settings": {**scenario, "seed": seed},
        "requests": requests_of(trace),
        "policies": {one.settings.policy: _policy(trace, one) for one in ran},
    }


def requests_of(trace: Trace) -> dict[str, Any]:
    """What identifies a record's requests."""
    return {
        "count": len(trace),
        "prompt_tokens": int(trace.prompt_tokens.sum()),
        "output_tokens": int(trace.output_tokens.sum()),
        "last_arrival_s": float(trace.arrival_ns[-1]) / 1e9,
        "digest": _digest(trace),
        "file": asdict(trace.file) if trace.file else None,
    }


def _policy(trace: Trace, one: Outcome) -> dict[str, Any]:
    return {
        "totals": asdict(one.found.totals),
        "window": asdict(window_of(one.found, trace)),
        "alone_live_share_of_allocated": alone_live_share(trace, one.settings),
    }


def _digest(trace: Trace) -> str:
    arrays = (trace.prompt_tokens, trace.output_tokens, trace.arrival_ns, trace.text_order, trace.common_tokens)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, "<i8"))
    return digest.hexdigest()[:16]


def series_table(ran: Sequence[Outcome]) -> pa.Table:
    """series.parquet: a row per policy and bin, sums over the bin's steps."""
    return _table(
        (one.settings.policy, {"t_ns": series.t_ns, "steps": series.steps, **series.sums})
        for one in ran
        for series in [one.found.series]
    )


def steps_table(ran: Sequence[Outcome]) -> pa.Table:
    """steps.parquet: a row per policy and step; no rows if steps were not kept."""
    empty = dict.fromkeys(COLUMNS, np.zeros(0, np.int64))
    return _table((one.settings.policy, one.found.steps.columns if one.found.steps else empty) for one in ran)


def _table(parts: Iterator[tuple[str, Mapping[str, Any]]]) -> pa.Table:
    import pyarrow as pa

    def one(policy: str, columns: Mapping[str, Any]) -> pa.Table:
        length = len(next(iter(columns.values())))
        names = pa.DictionaryArray.from_arrays(pa.array([0] * length, pa.int8()), [policy])
        return pa.table({"policy": names, **columns})

    return pa.concat_tables(one(policy, columns) for policy, columns in parts).unify_dictionaries()

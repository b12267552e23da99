"""Replays a live run on the clock of its own steps, to compare every decision with the engine's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.replay.inputs import Trace
from kvbench.replay.live_run import PADDED, server_settings
from kvbench.replay.live_steps import LiveRepeat, timed_repeats
from kvbench.replay.result import Replay
from kvbench.replay.simulate import replay
from kvbench.replay.texts import keys_of

DECIDED = ("running", "waiting", "scheduled_tokens", "preemptions")


@dataclass(frozen=True)
class Comparison:
    """A repeat's steps beside those of its replay; `first` is the first step at which a column differs."""

    process: int
    repeat: int
    steps: int
    differing: tuple[str, ...]  # of DECIDED, `steps` and `admitted`: at which step each request was first scheduled
    first: int | None

    @property
    def same(self) -> bool:
        """Whether the replay made every decision as the engine did."""
        return not self.differing


def compare(run: Run, repeat: int, workload: pa.Table | None = None) -> Comparison:
    """Replay a timed repeat of the run's (first) process with its arrivals and the starts of its steps, and compare.

    Requests that are submitted at once reach an engine in a process of its own one after the other; how many it knows
    is seen from the counts of the first steps.

    Args:
        workload: `records.WORKLOAD`, needed only where requests share blocks: there texts decide.

    How many requests wait at a padded batch server is not compared: kv.parquet counts what has been submitted when a
    pass has ended, the replay what the server has in its queue when a pass begins.

    Raises:
        UserError: the repeat is not a timed one, its arrivals at the engine are unknown, or run.json lacks a limit.
    """
    found = next((one for one in timed_repeats(run.processes[0]) if one.repeat == repeat), None)
    if found is None:
        raise UserError(f"{run.folder / 'run.json'}: repeat {repeat} is not a timed one; name one that is")
    found = _received(run, found)
    replayed = replay(trace_of(run, found, workload), server_settings(run), clock_ns=found.clock_ns, keep_steps=True)
    return _differences(run, found, replayed)


def _received(run: Run, found: LiveRepeat) -> LiveRepeat:
    """The repeat with the time at which the engine received each request."""
    if found.requests["received_s"].notna().all():
        return found
    counted = found.steps["running"].to_numpy() + found.steps["waiting"].to_numpy()
    everyone = np.flatnonzero(counted == len(found.requests))
    if run.arrives or not everyone.size or (np.diff(counted[: everyone[0] + 1]) < 0).any():
        raise UserError(f"{run.folder / 'requests.parquet'}: does not say when the engine received each request")
    step = np.searchsorted(counted[: everyone[0] + 1], np.arange(len(found.requests)), side="right")
    return replace(found, requests=found.requests.assign(received_s=found.clock_ns[step] / 1e9))


def trace_of(run: Run, found: LiveRepeat, workload: pa.Table | None) -> Trace:
    """The repeat's requests in the order in which the engine received them, arriving then."""
    rows = found.requests
    trace = Trace.of(rows["prompt_tokens"].to_numpy(), rows["output_tokens"].to_numpy(), rows["received_s"].to_numpy())
    return with_texts(run, trace, rows["request_id"].tolist(), workload)


def with_texts(run: Run, trace: Trace, names: list[str], workload: pa.Table | None) -> Trace:
    """The trace with common prefixes of the workload's prompts, if the run's requests share blocks."""
    if run.engine in PADDED or not server_settings(run).prefix_sharing:
        return trace
    if workload is None:
        raise UserError(
            f"{run.folder}: its requests share blocks; give the workload, whose texts decide what is shared"
        )
    place = {name: number for number, name in enumerate(workload["request_id"].to_pylist())}
    keys = keys_of(workload["prompt_token_ids"])
    return trace.with_texts([keys[place[name]] for name in names])


def _differences(run: Run, found: LiveRepeat, replayed: Replay) -> Comparison:
    columns = [name for name in DECIDED if not (name == "waiting" and run.engine in PADDED)]
    live = {name: found.steps[name].to_numpy() for name in columns}
    both = min(len(found.steps), replayed.totals.steps)
    wrong = {name: np.flatnonzero(live[name][:both] != replayed.steps[name][:both]) for name in columns}
    admitted = _admitted(found, found.requests["start_s"].to_numpy() * 1e9)
    other = _admitted(found, np.where(replayed.requests.start_ns < 0, np.inf, replayed.requests.start_ns))
    wrong["admitted"] = np.sort(np.minimum(admitted, other)[admitted != other])
    if len(found.steps) != replayed.totals.steps:
        wrong["steps"] = np.array([both])
    differing = {name: int(places[0]) for name, places in wrong.items() if len(places)}
    return Comparison(
        found.process, found.repeat, len(found.steps), tuple(differing), min(differing.values(), default=None)
    )


def _admitted(found: LiveRepeat, start_ns: NDArray[np.float64]) -> NDArray[np.int64]:
    """The step at which each request was first scheduled, shape (R,).

    A padded batch begins with its first pass. A paged engine notes a request while it schedules, and right after that
    the step. So it is the first step that did not begin earlier.
    """
    return np.searchsorted(found.clock_ns, np.rint(start_ns), side="left")

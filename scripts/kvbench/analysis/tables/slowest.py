"""The slowest requests of runs with arrivals, and what each one's time was spent on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from kvbench.analysis.arriving import repeats_of
from kvbench.analysis.results import Run
from kvbench.records import TIME_PARTS

MOST = 10
TIMES = ("e2e_s", "ttft_s")
NAMES = ("model", "workload", "engine", "point")
REQUEST = ("process", "repeat", "request_id", "prompt_tokens", "output_tokens", "due_s", *TIMES)
PARTS = tuple(name.removesuffix("_ns") + "_s" for name in TIME_PARTS)


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """Of each run with arrivals its MOST requests with the longest time from due to the last token, slowest first.

    They are of the window of its timed repeats, which all other latencies are of. Times and their parts are in seconds;
    parts are empty where the engine's steps were not recorded. Without such a run there are only the columns.
    """
    found = [_slowest(run) for run in runs if run.arrives and run.timed("all")]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*NAMES, *REQUEST, *PARTS])


def _slowest(run: Run) -> pd.DataFrame:
    served = [one.counted.assign(**{name: getattr(one.latencies, name) for name in TIMES}) for one in repeats_of(run)]
    found = pd.concat(served, ignore_index=True)
    order = found.sort_values(["e2e_s", "process", "repeat", "due_s"], ascending=[False, True, True, True])
    found = order.head(MOST).assign(**run.names)
    parts = {seconds: found[name] / 1e9 for name, seconds in zip(TIME_PARTS, PARTS, strict=True)}
    return found.assign(**parts)[[*NAMES, *REQUEST, *PARTS]]

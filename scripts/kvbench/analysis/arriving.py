"""The timed repeats of a run whose requests arrive over time."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.workload.latencies import Latencies, completed_per_s, in_window, of_requests


@dataclass(frozen=True)
class Served:
    """A timed repeat: its rows of requests.parquet, those in the window, and the latencies of the latter."""

    process: int
    repeat: int
    requests: pd.DataFrame
    counted: pd.DataFrame
    latencies: Latencies

    @property
    def completed_per_s(self) -> float:
        """Requests a second, all of them."""
        return completed_per_s(self.requests["due_s"], self.requests["finish_s"])


def repeats_of(run: Run) -> list[Served]:
    """The timed repeats of a run with arrivals, of all its processes."""
    timed = run.timed_requests("all")
    found = []
    for (process, repeat), requests in timed.groupby(["process", "repeat"]):
        counted = requests[in_window(requests["due_s"])]
        found.append(Served(int(process), int(repeat), requests, counted, of_requests(counted)))
    return found

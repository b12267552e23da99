"""Draw memory over time: the cache's split below the process's and the device's totals."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.results import load_runs
from kvbench.figures import memory
from kvbench.figures.data import memory_trace
from kvbench.figures.job import plot


def draw(snakemake):
    traces = [memory_trace(run) for run in load_runs(snakemake.input.runs) if run.timed()]
    return memory.draw(traces, snakemake.params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821

"""Draw memory over time: the cache's split below the process's and the device's totals."""

from kvbench.adapter import job
from kvbench.figures import memory
from kvbench.figures.data import memory_trace
from kvbench.figures.style import save
from kvbench.results import load_runs


def main(snakemake):
    with job(snakemake):
        traces = [memory_trace(run) for run in load_runs(snakemake.input.runs) if run.timed()]
        save(memory.draw(traces, snakemake.params.options), snakemake.output, snakemake.params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

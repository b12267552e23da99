"""Draw the blocks that prefix sharing saves and what it does to speed."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.published import read_published
from kvbench.analysis.results import load_runs
from kvbench.figures import sharing
from kvbench.figures.data import block_traces, rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names, params = snakemake.wildcards, snakemake.params
    table = rows_of(snakemake.input.table, names.model, names.workload)
    traces = block_traces(load_runs(snakemake.input.runs), table["engine"])
    quantities = sharing.PUBLISHED.get(params.kind, {})
    published = {column: read_published(snakemake.input.published, name) for column, name in quantities.items()}
    return sharing.draw(table, traces, published, params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821

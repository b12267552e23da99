"""Draw the blocks that prefix sharing saves and what it does to speed."""

from kvbench.adapter import job
from kvbench.figures import sharing
from kvbench.figures.data import block_traces, rows_of
from kvbench.figures.style import save
from kvbench.published import read_published
from kvbench.results import load_runs


def main(snakemake):
    with job(snakemake):
        names, params = snakemake.wildcards, snakemake.params
        table = rows_of(snakemake.input.table, names.model, names.workload)
        traces = block_traces(load_runs(snakemake.input.runs), table["engine"])
        quantities = sharing.PUBLISHED.get(params.kind, {})
        published = {column: read_published(snakemake.input.published, name) for column, name in quantities.items()}
        save(sharing.draw(table, traces, published, params.options), snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

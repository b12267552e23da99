"""Draw preemptions, tokens computed again and speed by the size of the pool, with a replay beside."""

from kvbench.adapter import job
from kvbench.figures import preemption
from kvbench.figures.data import rows_of
from kvbench.figures.style import save
from kvbench.results import read_table


def main(snakemake):
    with job(snakemake):
        names, params = snakemake.wildcards, snakemake.params
        table = rows_of(snakemake.input.table, names.model, names.workload)
        table = table[table["sweep"] == "kv_budget_mib"]
        save(preemption.draw(table, read_table(snakemake.input.replays), params.options), snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

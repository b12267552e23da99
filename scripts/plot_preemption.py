"""Draw preemptions, tokens computed again and speed by the size of the pool, with a replay beside."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.results import read_table
from kvbench.figures import preemption
from kvbench.figures.data import rows_of
from kvbench.figures.job import plot


def draw(snakemake):
    names, params = snakemake.wildcards, snakemake.params
    table = rows_of(snakemake.input.table, names.model, names.workload)
    table = table[table["sweep"] == "kv_budget_mib"]
    return preemption.draw(table, read_table(snakemake.input.replays), params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821

"""Medians, intervals and ratios of the attention kernel's times, from results/paging_price.parquet."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.tables.paging_price import table
from kvbench.files import read_json, read_parquet, write_csv


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        samples = read_parquet(given.samples).to_pandas()
        found = table(samples, read_json(given.record), read_json(given.bandwidth), snakemake.params.seed)
        write_csv(snakemake.output.table, found)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

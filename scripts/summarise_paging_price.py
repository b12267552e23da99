"""Medians, intervals and ratios of the attention kernel's times, from results/paging_price.parquet."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.tables.paging_price import table
from kvbench.files import read_parquet, read_record, write_csv


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        samples = read_parquet(given.samples).to_pandas()
        found = table(samples, read_record(given.record), read_record(given.bandwidth), snakemake.params.seed)
        write_csv(snakemake.output.table, found)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

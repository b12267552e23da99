"""Test the targets of config/targets.yaml against the tables; print and write the results."""

from pathlib import Path

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.benchmarks.targets import lines, read_targets, table
from kvbench.files import read_table, write_csv


def main(snakemake):
    with job(snakemake) as task:
        tables = {Path(path).stem: read_table(path) for path in snakemake.input.tables}
        found = table(read_targets(snakemake.input.targets), tables, snakemake.params.kinds)
        print(*lines(found), sep="\n", file=task.terminal)
        write_csv(snakemake.output.table, found)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

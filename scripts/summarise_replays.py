"""Write results/tables/replays.csv: the results of each policy in each scenario."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import read_record, write_csv
from kvbench.replay.table import table


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table([read_record(path) for path in snakemake.input.replays]))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

"""Write results/tables/fleets.csv: what each number of replicas came to under each policy and router."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.capacity.fleet_table import table
from kvbench.files import read_json, write_csv


def main(snakemake):
    with job(snakemake):
        write_csv(snakemake.output.table, table([read_json(path) for path in snakemake.input.fleets]))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

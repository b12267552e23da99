"""Test the claims of config/claims.yaml against the tables: one verdict per claim, model and workload."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.claims import read_claims, samples, table
from kvbench.files import read_table, write_csv


def main(snakemake):
    with job(snakemake):
        claims = read_claims(snakemake.input.claims)
        params = snakemake.params
        repeats = samples(*map(read_table, (snakemake.input.repeats, snakemake.input.slo)))
        write_csv(snakemake.output.table, table(claims, repeats, params.seed, params.kinds))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

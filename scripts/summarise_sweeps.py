"""Write results/tables/sweeps.csv: points of sweeps, live and replayed."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import sweeps
from kvbench.files import read_table, write_csv


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        points = {sweep: load_runs(given.get(sweep)) for sweep in sweeps.SWEPT if given.get(sweep)}
        replays, seed = sweeps.read_replays(given.replays), snakemake.params.seed
        write_csv(snakemake.output.table, sweeps.table(points, read_table(given.repeats), replays, seed))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

"""Write results/tables/sweeps.csv: points of sweeps, live and replayed."""

from kvbench.adapter import job
from kvbench.files import write_csv
from kvbench.replay.sweep import read_replays
from kvbench.results import load_runs, read_table
from kvbench.tables import sweeps


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        runs = load_runs(given.runs) if given.runs else []
        found = sweeps.table(runs, read_table(given.repeats), read_replays(given.replays), snakemake.params.seed)
        write_csv(snakemake.output.table, found)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

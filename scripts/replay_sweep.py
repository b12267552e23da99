"""Replay the points of a sweep and a finer grid of the swept setting, without a model."""

from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.files import read_parquet, write_csv
from kvbench.replay import sweep


def main(snakemake):
    with job(snakemake) as task:
        replays = sweep.plan(load_runs(snakemake.input.runs), snakemake.wildcards.sweep)
        with task.progress(len(replays), "replays") as bar:
            table = sweep.table(replays, read_parquet(snakemake.input.workload), bar.update)
        write_csv(snakemake.output.table, table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

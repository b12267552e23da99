"""Write results/tables/capacity.csv and results/capacity.html: what fits on a GPU, and the GPUs that a rate needs."""

from pathlib import Path

from kvbench.adapter import job
from kvbench.capacity.plan import answer
from kvbench.capacity.shapes import read_shapes, shape_of_record
from kvbench.capacity.table import table
from kvbench.files import write_csv, write_text
from kvbench.model.record import ModelRecord
from kvbench.report.capacity import render


def main(snakemake):
    with job(snakemake):
        given, params = snakemake.input, snakemake.params
        records = [ModelRecord.load(path) for path in given.models]
        known = read_shapes(given.shapes) | {record.name: shape_of_record(record) for record in records}
        answers = [answer(name, plan, known, params.seed) for name, plan in params.plans.items()]
        write_csv(Path(snakemake.output.table), table(answers))
        write_text(Path(snakemake.output.page), render(answers, list(map(Path, given.figures))))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

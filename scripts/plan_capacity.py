"""Write results/tables/capacity.csv and results/capacity.html: what fits on a GPU, and the GPUs that a rate needs."""

from pathlib import Path

from kvbench.adapter import job
from kvbench.capacity.cards import read_cards
from kvbench.capacity.plan import answer
from kvbench.capacity.shapes import read_shapes, shape_of_record
from kvbench.capacity.table import table
from kvbench.files import write_csv, write_text
from kvbench.model.record import ModelRecord
from kvbench.report.calculator import document
from kvbench.report.capacity import render
from kvbench.yaml_files import read_yaml


def main(snakemake):
    with job(snakemake):
        given, params = snakemake.input, snakemake.params
        plans, seed = params.plans, params.seed
        records = [ModelRecord.load(path) for path in given.models]
        own = {record.name: shape_of_record(record) for record in records}
        known, sizes = read_shapes(given.shapes) | own, read_yaml(given.shapes)["shapes"]
        answers = [answer(name, plan, known, seed) for name, plan in plans.items()]
        sizes = {name: found for name, found in sizes.items() if name not in own}
        data = document(plans, known, sizes, read_cards(given.cards), seed)
        write_csv(Path(snakemake.output.table), table(answers))
        write_text(Path(snakemake.output.page), render(answers, list(map(Path, given.figures)), data))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

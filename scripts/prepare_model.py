"""Rule prepare_model: put a model's files where the engines find them, and write model.json, which describes it."""

from pathlib import Path
from typing import Any

from kvbench.adapter import job
from kvbench.files import write_json
from kvbench.model.contents import remember
from kvbench.model.prepare import prepare_model


def main(snakemake: Any) -> None:
    params, record = snakemake.params, Path(snakemake.output.record)
    with job(snakemake) as running:
        model = prepare_model(params.model, params.name, record.parent, running.progress)
        remember(model)
        write_json(record, model.to_json())


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

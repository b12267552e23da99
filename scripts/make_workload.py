"""Rule make_workload: write the requests that every engine serves to one file."""

from typing import Any

from kvbench.adapter import job
from kvbench.files import write_parquet
from kvbench.model.contents import check
from kvbench.model.record import ModelRecord
from kvbench.workload.make import make_workload
from kvbench.workload.selection import counts_of


def main(snakemake: Any) -> None:
    params = snakemake.params
    with job(snakemake) as running:
        model = ModelRecord.load(snakemake.input.model)
        check(model)
        table = make_workload(params.workload, params.name, params.seed, params.max_length, model, live=params.live)
        if (counts := counts_of(table)) and counts.left_out(len(table)):
            running.tell(counts.words(len(table)))
        write_parquet(snakemake.output.workload, table)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

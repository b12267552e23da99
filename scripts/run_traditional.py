"""Rule run_traditional: serve one workload with a Transformers engine and write what was measured."""

from pathlib import Path

from kvbench.adapter import job
from kvbench.engines.hf_engines import make_engine
from kvbench.run import Order, run
from kvbench.run_files import Paths

with job(snakemake) as task:  # noqa: F821
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params  # noqa: F821
    run(
        Order(
            settings=params.settings,
            environment=Path(inputs.environment),
            model=Path(inputs.model),
            workload=Path(inputs.workload),
            digests={"code": params.code},
        ),
        make_engine,
        Paths(**{name: Path(getattr(outputs, name)) for name in Paths.__dataclass_fields__}),
        task,
    )

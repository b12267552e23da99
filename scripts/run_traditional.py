"""Rule run_traditional: serve one workload with a Transformers engine and write what was measured."""

from kvbench.engines.transformers.by_name import make_engine
from kvbench.measure.run import run_job

if __name__ == "__main__":
    run_job(snakemake, make_engine)  # noqa: F821

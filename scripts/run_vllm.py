"""Rule run_vllm: serve one workload with a vLLM engine and write what was measured."""

from kvbench.engines.vllm_engine import VllmEngine
from kvbench.run import run_job

run_job(snakemake, VllmEngine)  # noqa: F821

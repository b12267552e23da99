"""Rule run_vllm: serve one workload with a vLLM engine and write what was measured."""

from kvbench.engines.vllm.runner import VllmEngine
from kvbench.measure.run import run_job

if __name__ == "__main__":  # vLLM's engine process may import this module again
    run_job(snakemake, VllmEngine)  # noqa: F821

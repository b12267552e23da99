"""Measures, tabulates and plots what PagedAttention gains over traditional KV-cache allocation."""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/preflight.smk"
include: "rules/common.smk"
include: "rules/environment.smk"
include: "rules/model.smk"
include: "rules/workload.smk"
include: "rules/traditional.smk"
include: "rules/vllm.smk"
include: "rules/benchmarks.smk"
include: "rules/kernel.smk"
include: "rules/analysis.smk"
include: "rules/serving.smk"
include: "rules/capacity.smk"
include: "rules/replay.smk"
include: "rules/blockmap.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


report: "captions/workflow.rst"


rule results:
    """Tables, figures and the report of the runs that are there."""
    input:
        RESULTS,


rule all:
    """The same of every run in config.yaml."""
    default_target: True
    input:
        sources,
        RESULTS,

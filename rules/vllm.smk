"""Runs of vLLM, the paged side.

in   the model, a workload
out  results/runs/<model>/<engine>/<workload>/<point>/: run.json and the raw samples
"""


rule run_vllm:
    """Serve one workload with a vLLM engine and write what was measured."""
    input:
        environment=ancient("results/environment.json"),
        model="resources/models/{model}/model.json",
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        requests="results/runs/{model}/{engine}/{workload}/{point}/requests.parquet",
        kv="results/runs/{model}/{engine}/{workload}/{point}/kv.parquet",
        device="results/runs/{model}/{engine}/{workload}/{point}/device.parquet",
        blocks="results/runs/{model}/{engine}/{workload}/{point}/blocks.parquet",
        margins="results/runs/{model}/{engine}/{workload}/{point}/margins.parquet",
        record="results/runs/{model}/{engine}/{workload}/{point}/run.json",
    log:
        "logs/run_vllm/{model}/{engine}/{workload}/{point}.log",
    benchmark:
        "logs/run_vllm/{model}/{engine}/{workload}/{point}.tsv"
    wildcard_constraints:
        engine=r"vllm[a-z-]*",
    priority: get_priority
    conda:
        CONDA
    threads: workflow.cores
    resources:
        measure=1,
        gpu=get_gpus,
        timeout_s=TIMEOUT_S.get("run_vllm", 0),
    params:
        settings=by_wildcards(run_settings),
        packages=package_versions(*VLLM_PACKAGES),
        code=code_digest("run_vllm"),
    script:
        "../scripts/run_vllm.py"

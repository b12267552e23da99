"""Runs of Hugging Face Transformers, the traditional side.

in   the model, a workload
out  results/runs/<model>/<engine>/<workload>/<point>/: run.json and the raw samples
"""


rule run_traditional:
    """Serve one workload with a Transformers engine and write what was measured."""
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
        "logs/run_traditional/{model}/{engine}/{workload}/{point}.log",
    benchmark:
        "logs/run_traditional/{model}/{engine}/{workload}/{point}.tsv"
    wildcard_constraints:
        engine=r"hf-[a-z-]+",
    priority: get_priority
    conda:
        CONDA
    threads: workflow.cores
    resources:
        measure=1,
        gpu=get_gpus,
        timeout_s=TIMEOUT_S.get("run_traditional", 0),
    params:
        settings=by_wildcards(run_settings),
        packages=package_versions(*HF_PACKAGES),
        code=code_digest("run_traditional"),
    script:
        "../scripts/run_traditional.py"

"""Workloads: the same requests for every engine.

in   workloads.<workload> of config.yaml, the model's tokenizer, a user's file
out  results/workloads/<model>/<workload>.parquet
"""


rule make_workload:
    """Make the requests that every engine serves."""
    input:
        model="resources/models/{model}/model.json",
        file=user_file,
    output:
        workload="results/workloads/{model}/{workload}.parquet",
    log:
        "logs/make_workload/{model}/{workload}.log",
    benchmark:
        "logs/make_workload/{model}/{workload}.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        name="{workload}",
        workload=by_wildcards(workload_options),
        seed=config["seed"],
        max_length=by_wildcards(workload_max_length),
        live=is_served_at_once,
        code=code_digest("make_workload"),
    script:
        "../scripts/make_workload.py"

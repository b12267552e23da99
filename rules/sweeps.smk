"""Sweeps of block size and KV budget: a replay beside the live engine, at its points and between them.

in   a workload, run.json of the points (the limits in force), their steps, results/tables/repeats.csv
out  results/replays/<model>/<workload>/<sweep>.csv, results/tables/sweeps.csv
"""


rule replay_sweep:
    """Replay the points of a sweep, and a finer grid of what was swept, without a model."""
    input:
        runs=swept_records,
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        table="results/replays/{model}/{workload}/{sweep}.csv",
    log:
        "logs/replay_sweep/{model}/{workload}/{sweep}.log",
    benchmark:
        "logs/replay_sweep/{model}/{workload}/{sweep}.tsv"
    conda:
        CONDA
    params:
        code=code_digest("replay_sweep"),
    script:
        "../scripts/replay_sweep.py"


rule summarise_sweeps:
    """Points of sweeps: medians, intervals and the replay at exactly each point."""
    input:
        block_size=records_of(all_swept("block_size")),
        kv_budget_mib=records_of(all_swept("kv_budget_mib")),
        data=all_swept_data(),
        repeats="results/tables/repeats.csv",
        replays=all_replays(),
    output:
        table="results/tables/sweeps.csv",
    log:
        "logs/summarise_sweeps.log",
    benchmark:
        "logs/summarise_sweeps.tsv"
    conda:
        CONDA
    params:
        seed=config["seed"],
        code=code_digest("summarise_sweeps"),
    script:
        "../scripts/summarise_sweeps.py"

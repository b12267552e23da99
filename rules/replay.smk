"""Requests replayed step by step without an engine: scenarios under several KV policies, at any scale, sweeps of the
live engine, at their points and between them, and arrivals, at the rates that were run and others.

in   replays.<scenario> of config.yaml, a user's file; a workload, run.json of a sweep's points (the
     limits in force), their steps, results/tables/repeats.csv; slo
out  results/replays/<scenario>/{replay.json,series.parquet,steps.parquet}, results/tables/replays.csv,
     results/replays/<scenario>/hit_rate.csv, results/tables/hit_rates.csv,
     results/replays/<scenario>/fleet.json, results/tables/fleets.csv,
     results/sweeps/<model>/<workload>/<sweep>.csv, results/tables/sweeps.csv,
     results/serving/<model>/<workload>/predicted.csv, predicted_capacity.csv
"""


rule run_replay:
    """Replay one scenario's requests under each of its policies and count the use of every slot."""
    input:
        file=replay_file,
    output:
        series="results/replays/{scenario}/series.parquet",
        steps="results/replays/{scenario}/steps.parquet",
        record="results/replays/{scenario}/replay.json",
    log:
        "logs/run_replay/{scenario}.log",
    benchmark:
        "logs/run_replay/{scenario}.tsv"
    priority: FIRST
    conda:
        CONDA
    resources:
        timeout_s=TIMEOUT_S.get("run_replay", 0),
    params:
        scenario=scenario_without("hit_rate", "fleet"),
        seed=config["seed"],
        code=code_digest("run_replay"),
    script:
        "../scripts/run_replay.py"


rule summarise_replays:
    """The results of each scenario under each policy, one row each."""
    input:
        replays=map(paths.replay_record, config["replays"]),
    output:
        table="results/tables/replays.csv",
    log:
        "logs/summarise_replays.log",
    benchmark:
        "logs/summarise_replays.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        code=code_digest("summarise_replays"),
    script:
        "../scripts/summarise_replays.py"


rule find_hit_rates:
    """Find how much of a scenario's prompts a prefix cache finds again in pools of all sizes."""
    input:
        file=replay_file,
    output:
        table="results/replays/{scenario}/hit_rate.csv",
    log:
        "logs/find_hit_rates/{scenario}.log",
    benchmark:
        "logs/find_hit_rates/{scenario}.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        scenario=scenario_without("fleet"),
        seed=config["seed"],
        code=code_digest("find_hit_rates"),
    script:
        "../scripts/find_hit_rates.py"


rule summarise_hit_rates:
    """The hit rates of all scenarios in one table."""
    input:
        found=paths.hit_rate_files(config),
    output:
        table="results/tables/hit_rates.csv",
    log:
        "logs/summarise_hit_rates.log",
    benchmark:
        "logs/summarise_hit_rates.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_hit_rates"),
    script:
        "../scripts/summarise_hit_rates.py"


rule replay_fleet:
    """Replay a scenario on replicas behind a router, and find the fewest that keep the limits on latency."""
    input:
        file=replay_file,
    output:
        record="results/replays/{scenario}/fleet.json",
    log:
        "logs/replay_fleet/{scenario}.log",
    benchmark:
        "logs/replay_fleet/{scenario}.tsv"
    priority: FIRST
    conda:
        CONDA
    resources:
        timeout_s=TIMEOUT_S.get("replay_fleet", 0),
    params:
        scenario=scenario_without("hit_rate"),
        slo=slo_params(config),
        seed=config["seed"],
        code=code_digest("replay_fleet"),
    script:
        "../scripts/replay_fleet.py"


rule summarise_fleets:
    """The fleets of all scenarios in one table."""
    input:
        fleets=paths.fleet_files(config),
    output:
        table="results/tables/fleets.csv",
    log:
        "logs/summarise_fleets.log",
    benchmark:
        "logs/summarise_fleets.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_fleets"),
    script:
        "../scripts/summarise_fleets.py"


rule replay_sweep:
    """Replay the points of a sweep, and a finer grid of the swept key, without a model."""
    input:
        runs=by_wildcards(paths.swept_records),
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        table="results/sweeps/{model}/{workload}/{sweep}.csv",
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
        block_size=paths.record_files(
            paths.swept_in_all(config, MEASURED, "block_size")
        ),
        kv_budget_mib=paths.record_files(
            paths.swept_in_all(config, MEASURED, "kv_budget_mib")
        ),
        data=paths.swept_data(config, MEASURED),
        repeats="results/tables/repeats.csv",
        replays=paths.sweep_files(config, MEASURED),
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


rule predict_serving:
    """Fit a step time to runs at rates of arrival; predict latencies at these and other rates, and capacities."""
    input:
        unpack(predicted_inputs),
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        table="results/serving/{model}/{workload}/predicted.csv",
        capacity="results/serving/{model}/{workload}/predicted_capacity.csv",
    log:
        "logs/predict_serving/{model}/{workload}.log",
    benchmark:
        "logs/predict_serving/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        slo=slo_params(config),
        seed=config["seed"],
        code=code_digest("predict_serving"),
    script:
        "../scripts/predict_serving.py"


rule summarise_predictions:
    """The predicted latencies of all models and workloads in one table, and the predicted capacities in another."""
    input:
        predicted=paths.predicted_files(config),
        capacity=paths.predicted_capacity_files(config),
    output:
        table="results/tables/predictions.csv",
        capacity="results/tables/predicted_capacity.csv",
    log:
        "logs/summarise_predictions.log",
    benchmark:
        "logs/summarise_predictions.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_predictions"),
    script:
        "../scripts/summarise_predictions.py"

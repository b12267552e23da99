"""Requests that arrive over time: rate and latency, and each engine's largest rate within the limits.

in   results/runs/<model>/<engine>/<workload>/requests_per_s-<rate>/
out  results/serving/<model>/<workload>/rates-<n>.json, results/tables/{serving,slo_*}.csv
"""


checkpoint choose_rates:
    """The rate to run next for each engine, between two that enclose its capacity."""
    input:
        runs=lambda wildcards: paths.record_files(runs_before_round(wildcards)),
        data=lambda wildcards: paths.data_files(runs_before_round(wildcards)),
    output:
        rates=paths.chosen_rates("{model}", "{workload}", "{number}"),
    log:
        "logs/choose_rates/{model}/{workload}/{number}.log",
    benchmark:
        "logs/choose_rates/{model}/{workload}/{number}.tsv"
    localrule: True
    conda:
        CONDA
    params:
        slo=slo_params(config),
        engines=by_pair(rates.swept_engines),
        code=code_digest("choose_rates"),
    script:
        "../scripts/choose_rates.py"


rule summarise_serving:
    """Rate, latency and capacity of all runs with arrivals."""
    input:
        runs=lambda wildcards: paths.record_files(arriving_runs()),
        data=lambda wildcards: paths.data_files(arriving_runs()),
        parity="results/tables/parity.csv",
    output:
        **{name: paths.table_file(name) for name in paths.OF_SERVING},
    log:
        "logs/summarise_serving.log",
    benchmark:
        "logs/summarise_serving.tsv"
    localrule: True
    conda:
        CONDA
    params:
        seed=config["seed"],
        slo=slo_params(config),
        code=code_digest("summarise_serving"),
    script:
        "../scripts/summarise_serving.py"

"""Tables and the report.

in   results/runs/**, results/workloads/**, config/claims.yaml, results/environment.json, results/config.yaml
out  results/tables/*.csv, results/report.html, results/found.txt
"""


rule check_parity:
    """Stop unless all engines return the same tokens; say how much of each workload's output is equal."""
    input:
        runs=records_of(RUNS),
        data=data_of(RUNS),
    output:
        table="results/tables/parity.csv",
    log:
        "logs/check_parity.log",
    benchmark:
        "logs/check_parity.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("check_parity"),
    script:
        "../scripts/check_parity.py"


rule summarise_runs:
    """Medians, intervals and ratios of all runs, once the parity gate has let them pass."""
    input:
        runs=records_of(MEASURED),
        data=data_of(MEASURED),
        parity="results/tables/parity.csv",
        bandwidth="results/bandwidth.json",
    output:
        throughput="results/tables/throughput.csv",
        latency="results/tables/latency.csv",
        memory="results/tables/memory.csv",
        devices="results/tables/devices.csv",
        kv_waste="results/tables/kv_waste.csv",
        ratios="results/tables/ratios.csv",
        attribution="results/tables/attribution.csv",
        roofline="results/tables/roofline.csv",
        repeats="results/tables/repeats.csv",
        sharing="results/tables/sharing.csv",
        processes="results/tables/processes.csv",
    log:
        "logs/summarise_runs.log",
    benchmark:
        "logs/summarise_runs.tsv"
    conda:
        CONDA
    params:
        seed=config["seed"],
        code=code_digest("summarise_runs"),
    script:
        "../scripts/summarise_runs.py"


rule summarise_workloads:
    """Lengths of the prompts and outputs of every workload served."""
    input:
        workloads=workloads_of(MEASURED),
    output:
        table="results/tables/workloads.csv",
    log:
        "logs/summarise_workloads.log",
    benchmark:
        "logs/summarise_workloads.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_workloads"),
    script:
        "../scripts/summarise_workloads.py"


rule check_claims:
    """A verdict on each statement of the guide and the paper that the samples can test."""
    input:
        claims=of_project("config/claims.yaml"),
        repeats="results/tables/repeats.csv",
    output:
        table="results/tables/claims.csv",
    log:
        "logs/check_claims.log",
    benchmark:
        "logs/check_claims.tsv"
    localrule: True
    conda:
        CONDA
    params:
        seed=config["seed"],
        kinds=KINDS,
        code=code_digest("check_claims"),
    script:
        "../scripts/check_claims.py"


rule make_report:
    """One page with the machine, the settings, the tables and the figures, and its gist for the terminal."""
    input:
        environment="results/environment.json",
        config="results/config.yaml",
        tables=TABLES,
        figures=all_figures(SHOWN),
        replays=replay_figures(SHOWN),
        runs=records_of(MEASURED),
    output:
        report="results/report.html",
        found="results/found.txt",
    log:
        "logs/make_report.log",
    benchmark:
        "logs/make_report.tsv"
    localrule: True
    conda:
        CONDA
    params:
        has_capacity=bool(config["capacity"]),
        code=code_digest("make_report", *page_parts("report")),
    script:
        "../scripts/make_report.py"

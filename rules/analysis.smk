"""Tables, the parity gate and the verdicts on claims.

in   results/runs/**, results/workloads/**, config/claims.yaml, results/bandwidth.json
out  results/tables/*.csv
"""


rule check_parity:
    """Stop unless all engines return the same tokens, and report the share of equal outputs of each workload."""
    input:
        runs=paths.record_files(RUNS),
        data=paths.data_files(RUNS),
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
    """Medians, intervals and ratios of all runs, after the parity gate has passed."""
    input:
        runs=paths.record_files(MEASURED),
        data=paths.data_files(MEASURED),
        parity="results/tables/parity.csv",
        bandwidth="results/bandwidth.json",
    output:
        **{name: paths.table_file(name) for name in paths.SUMMARISED},
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


rule summarise_prefix_hits:
    """What runs with prefix sharing found of their prompts, and why not more."""
    input:
        runs=paths.record_files(SHARING),
        data=paths.data_files(SHARING),
        workloads=paths.workloads_of(SHARING),
        parity=["results/tables/parity.csv"] if SHARING else [],
    output:
        table="results/tables/prefix_hits.csv",
    log:
        "logs/summarise_prefix_hits.log",
    benchmark:
        "logs/summarise_prefix_hits.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_prefix_hits"),
    script:
        "../scripts/summarise_prefix_hits.py"


rule summarise_workloads:
    """Lengths of prompts and outputs of every workload that was served."""
    input:
        workloads=paths.workloads_of(MEASURED),
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
    """A verdict on each claim of the guide and the paper that the samples can test."""
    input:
        claims=paths.of_project("config/claims.yaml"),
        repeats="results/tables/repeats.csv",
        slo="results/tables/slo_repeats.csv",
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

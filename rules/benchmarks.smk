"""Benchmarks of kvbench itself, if config.yaml asks for them, and the targets for runs.

in   the model and workload of a run (peer-serve: also the run), config/targets.yaml, results/tables/*.csv
out  results/benchmarks/<name>.json, results/tables/benchmarks.csv, results/tables/targets.csv
"""


rule run_benchmark:
    """Compare our runner or run with a peer on the same requests, or runs with and without recording."""
    input:
        unpack(by_wildcards(paths.benchmark_inputs)),
        environment=ancient("results/environment.json"),
    output:
        result="results/benchmarks/{benchmark}.json",
    log:
        "logs/run_benchmark/{benchmark}.log",
    benchmark:
        "logs/run_benchmark/{benchmark}.tsv"
    conda:
        CONDA
    threads: workflow.cores
    resources:
        measure=1,
        gpu=GPU,
        timeout_s=TIMEOUT_S.get("run_benchmark", 0),
    params:
        settings=by_wildcards(benchmark_settings),
        packages=package_versions(*VLLM_PACKAGES),
        code=code_digest("run_benchmark", *BENCHMARK_PROGRAMS),
    script:
        "../scripts/run_benchmark.py"


rule summarise_benchmarks:
    """Tokens per second or latencies of both sides of each benchmark, and their ratio."""
    input:
        results=paths.benchmark_files(config),
    output:
        table="results/tables/benchmarks.csv",
    log:
        "logs/summarise_benchmarks.log",
    benchmark:
        "logs/summarise_benchmarks.tsv"
    localrule: True
    conda:
        CONDA
    params:
        benchmarks=ordered(config["benchmarks"]),
        code=code_digest("summarise_benchmarks"),
    script:
        "../scripts/summarise_benchmarks.py"


rule check_targets:
    """Report which targets of config/targets.yaml the tables reach."""
    input:
        targets=paths.of_project("config/targets.yaml"),
        tables=map(paths.table_file, paths.TABLES_WITH_TARGETS),
    output:
        table="results/tables/targets.csv",
    log:
        "logs/check_targets.log",
    benchmark:
        "logs/check_targets.tsv"
    localrule: True
    conda:
        CONDA
    params:
        kinds=KINDS,
        code=code_digest("check_targets"),
    script:
        "../scripts/check_targets.py"

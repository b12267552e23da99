"""Facts about this machine, and the configuration in force.

in   config.yaml
out  results/environment.json, results/config.yaml

check_environment is a checkpoint although nothing asks for its output by name: the runs take environment.json as
ancient, and Snakemake does not look for reasons of its own in a job behind one that will run, not even behind an
ancient file. After a checkpoint it looks again, so a run that is stale runs in the same call.
"""


checkpoint check_environment:
    """Record facts about this machine; stop if the requested device is missing."""
    output:
        environment="results/environment.json",
    log:
        "logs/check_environment.log",
    benchmark:
        "logs/check_environment.tsv"
    priority: FIRST
    conda:
        CONDA
    resources:
        gpu=GPU,
    params:
        device=config["device"],
        engines=bool(RUNS),
        attention=attention_options(config),
        packages=package_versions(*HF_PACKAGES, *VLLM_PACKAGES),
        code=code_digest("check_environment"),
    script:
        "../scripts/check_environment.py"


rule write_config:
    """Store the configuration in force, defaults included, beside the results."""
    output:
        config="results/config.yaml",
    log:
        "logs/write_config.log",
    benchmark:
        "logs/write_config.tsv"
    priority: FIRST
    localrule: True
    conda:
        CONDA
    params:
        config=ordered(config),
        code=code_digest("write_config"),
    script:
        "../scripts/write_config.py"


rule measure_bandwidth:
    """Measure the copy bandwidth of the device's memory, which is the limit of the roofline."""
    input:
        environment=ancient("results/environment.json"),
    output:
        bandwidth="results/bandwidth.json",
    log:
        "logs/measure_bandwidth.log",
    benchmark:
        "logs/measure_bandwidth.tsv"
    priority: FIRST
    conda:
        CONDA
    threads: workflow.cores
    resources:
        measure=1,
        gpu=GPU,
        timeout_s=TIMEOUT_S.get("measure_bandwidth", 0),
    params:
        device=config["device"],
        cpu_threads=config["cpu_threads"],
        packages=package_versions("torch"),
        code=code_digest("measure_bandwidth"),
    script:
        "../scripts/measure_bandwidth.py"

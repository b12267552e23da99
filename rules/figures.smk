"""Figures, one set for each model and workload.

in   results/runs/**, results/workloads/**, results/tables/*.csv
out  results/figures/<model>/<workload>/<figure>.<format>
"""


rule plot_memory:
    """Memory over time: the cache's split over the process's and the device's total."""
    input:
        runs=measured_records,
        data=measured_data,
    output:
        **figure_files("memory", category="Memory"),
    log:
        "logs/plot_memory/{model}/{workload}.log",
    benchmark:
        "logs/plot_memory/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("memory"),
        code=code_digest("plot_memory"),
    script:
        "../scripts/plot_memory.py"


rule plot_throughput:
    """Output tokens per second of each engine, every repeat shown."""
    input:
        runs=measured_records,
        data=measured_data,
        table="results/tables/throughput.csv",
    output:
        **figure_files("throughput", category="Speed"),
    log:
        "logs/plot_throughput/{model}/{workload}.log",
    benchmark:
        "logs/plot_throughput/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("throughput"),
        code=code_digest("plot_throughput"),
    script:
        "../scripts/plot_throughput.py"


rule plot_latency:
    """Time to first token and time per output token."""
    input:
        runs=measured_records,
        data=measured_data,
        table="results/tables/latency.csv",
    output:
        **figure_files("latency", category="Speed"),
    log:
        "logs/plot_latency/{model}/{workload}.log",
    benchmark:
        "logs/plot_latency/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("latency"),
        code=code_digest("plot_latency"),
    script:
        "../scripts/plot_latency.py"


rule plot_kv_waste:
    """What the allocated slots of the KV cache held, on average over the run."""
    input:
        table="results/tables/kv_waste.csv",
    output:
        **figure_files("kv_waste", category="Memory"),
    log:
        "logs/plot_kv_waste/{model}/{workload}.log",
    benchmark:
        "logs/plot_kv_waste/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("kv_waste"),
        code=code_digest("plot_kv_waste"),
    script:
        "../scripts/plot_kv_waste.py"


rule plot_parity:
    """How much of the output is equal to the reference's."""
    input:
        table="results/tables/parity.csv",
    output:
        **figure_files("parity", category="Parity"),
    log:
        "logs/plot_parity/{model}/{workload}.log",
    benchmark:
        "logs/plot_parity/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("parity"),
        code=code_digest("plot_parity"),
    script:
        "../scripts/plot_parity.py"


rule plot_memory_parts:
    """Memory by part, against what the process uses."""
    input:
        table="results/tables/memory.csv",
    output:
        **figure_files("memory_parts", category="Memory"),
    log:
        "logs/plot_memory_parts/{model}/{workload}.log",
    benchmark:
        "logs/plot_memory_parts/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("memory_parts"),
        code=code_digest("plot_memory_parts"),
    script:
        "../scripts/plot_memory_parts.py"


rule plot_attribution:
    """Where the speed comes from: the chain of factors, side ratios, where requests waited."""
    input:
        table="results/tables/attribution.csv",
    output:
        **figure_files("attribution", category="Speed"),
    log:
        "logs/plot_attribution/{model}/{workload}.log",
    benchmark:
        "logs/plot_attribution/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("attribution"),
        code=code_digest("plot_attribution"),
    script:
        "../scripts/plot_attribution.py"


rule plot_roofline:
    """Decoding steps against the least time that memory allows, and how busy the device was."""
    input:
        table="results/tables/roofline.csv",
    output:
        **figure_files("roofline", category="Speed"),
    log:
        "logs/plot_roofline/{model}/{workload}.log",
    benchmark:
        "logs/plot_roofline/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("roofline"),
        code=code_digest("plot_roofline"),
    script:
        "../scripts/plot_roofline.py"


rule plot_sharing:
    """The blocks that prefix sharing saves, and what it does to speed."""
    input:
        runs=sharing_records,
        data=sharing_data,
        table="results/tables/sharing.csv",
        published=of_project("config/published.yaml"),
    output:
        **figure_files("sharing", category="Memory"),
    log:
        "logs/plot_sharing/{model}/{workload}.log",
    benchmark:
        "logs/plot_sharing/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("sharing"),
        kind=get_kind,
        code=code_digest("plot_sharing"),
    script:
        "../scripts/plot_sharing.py"


rule plot_block_size:
    """How full blocks are and how fast requests are served, by block size."""
    input:
        table="results/tables/sweeps.csv",
        replays="results/sweeps/{model}/{workload}/block_size.csv",
        published=of_project("config/published.yaml"),
    output:
        **figure_files("block_size", category="Memory"),
    log:
        "logs/plot_block_size/{model}/{workload}.log",
    benchmark:
        "logs/plot_block_size/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("block_size"),
        kind=get_kind,
        code=code_digest("plot_block_size"),
    script:
        "../scripts/plot_block_size.py"


rule plot_preemption:
    """Preemptions, tokens computed again and speed, by the size of the pool."""
    input:
        table="results/tables/sweeps.csv",
        replays="results/sweeps/{model}/{workload}/kv_budget_mib.csv",
    output:
        **figure_files("preemption", category="Memory"),
    log:
        "logs/plot_preemption/{model}/{workload}.log",
    benchmark:
        "logs/plot_preemption/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("preemption"),
        code=code_digest("plot_preemption"),
    script:
        "../scripts/plot_preemption.py"


rule plot_workload_lengths:
    """How long the prompts and outputs of a workload are."""
    input:
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        **figure_files("workload_lengths", category="Workload"),
    log:
        "logs/plot_workload_lengths/{model}/{workload}.log",
    benchmark:
        "logs/plot_workload_lengths/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        **figure_params("workload_lengths"),
        code=code_digest("plot_workload_lengths"),
    script:
        "../scripts/plot_workload_lengths.py"

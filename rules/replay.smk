"""Requests served under several KV policies without an engine, step by step, at any scale.

in   replays.<scenario> of config.yaml, a user's file, config/published.yaml
out  results/replays/<scenario>/{replay.json,series.parquet,steps.parquet}, results/tables/replays.csv,
     results/figures/replays/<scenario>/{replay_waste,batched_requests}.<format>
"""


rule run_replay:
    """Serve one scenario's requests under each of its policies and count what every slot held."""
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
    params:
        scenario=get_replay,
        seed=config["seed"],
        code=code_digest("run_replay"),
    script:
        "../scripts/run_replay.py"


rule summarise_replays:
    """What each policy made of each scenario, a row each."""
    input:
        replays=replay_records(),
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


rule plot_replay_waste:
    """What the slots of the KV region held under each policy while memory was short."""
    input:
        table="results/tables/replays.csv",
        published="config/published.yaml",
    output:
        **replay_figure("replay_waste"),
    log:
        "logs/plot_replay_waste/{scenario}.log",
    benchmark:
        "logs/plot_replay_waste/{scenario}.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        **figure_params("replay_waste"),
        code=code_digest("plot_replay_waste"),
    script:
        "../scripts/plot_replay_waste.py"


rule plot_batched_requests:
    """How many requests ran at once under each policy."""
    input:
        table="results/tables/replays.csv",
        published="config/published.yaml",
    output:
        **replay_figure("batched_requests"),
    log:
        "logs/plot_batched_requests/{scenario}.log",
    benchmark:
        "logs/plot_batched_requests/{scenario}.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        **figure_params("batched_requests"),
        code=code_digest("plot_batched_requests"),
    script:
        "../scripts/plot_batched_requests.py"

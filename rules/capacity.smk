"""What fits on a card, and the number of cards for a request rate, by arithmetic and replay without an engine.

in   capacity of config.yaml, config/{shapes,cards}.yaml, model.json of the models that plans name,
     results/figures/capacity/*.<format>, config/published.yaml, results/runs/**
out  results/tables/{capacity,kv_by_context,planned}.csv, results/capacity.html
"""


rule plan_capacity:
    """Compute what fits under each policy and the cards for a request rate, and show the arithmetic."""
    input:
        shapes=paths.of_project("config/shapes.yaml"),
        cards=paths.of_project("config/cards.yaml"),
        models=paths.planned_models(config),
        figures=figure_files.capacity_figures(config, [SHOWN]),
    output:
        table="results/tables/capacity.csv",
        page="results/capacity.html",
    log:
        "logs/plan_capacity.log",
    benchmark:
        "logs/plan_capacity.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        plans=ordered(config["capacity"]),
        seed=config["seed"],
        code=code_digest(
            "plan_capacity",
            *paths.page_sources("capacity", *figure_files.CAPACITY_FIGURES),
        ),
    script:
        "../scripts/plan_capacity.py"


rule summarise_kv_by_context:
    """Bytes of KV of a request against context length, by group of layers, for the shapes of config/shapes.yaml."""
    input:
        shapes=paths.of_project("config/shapes.yaml"),
        published=paths.of_project("config/published.yaml"),
    output:
        table="results/tables/kv_by_context.csv",
    log:
        "logs/summarise_kv_by_context.log",
    benchmark:
        "logs/summarise_kv_by_context.tsv"
    priority: FIRST
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_kv_by_context"),
    script:
        "../scripts/summarise_kv_by_context.py"


rule summarise_planned:
    """What vLLM was planned to make of its memory, beside what it logged at its start."""
    input:
        runs=paths.record_files(MEASURED),
    output:
        table="results/tables/planned.csv",
    log:
        "logs/summarise_planned.log",
    benchmark:
        "logs/summarise_planned.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("summarise_planned"),
    script:
        "../scripts/summarise_planned.py"

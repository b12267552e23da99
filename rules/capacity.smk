"""What fits on a card, and the cards that a rate of requests needs: arithmetic and replay, no engine.

in   capacity of config.yaml, config/shapes.yaml, model.json of the models that plans name
out  results/tables/capacity.csv, results/capacity.html, results/figures/capacity/largest_batch.<format>
"""


rule plan_capacity:
    """Say what fits under each policy, and the cards for a rate, with the arithmetic."""
    input:
        shapes=of_project("config/shapes.yaml"),
        models=PLANNED_MODELS,
        figure=f"results/figures/capacity/largest_batch.{SHOWN}",
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
        code=code_digest("plan_capacity", *page_parts("capacity", "largest_batch")),
    script:
        "../scripts/plan_capacity.py"


rule plot_largest_batch:
    """The largest batch that fits against model size and context length."""
    input:
        shapes=of_project("config/shapes.yaml"),
    output:
        **capacity_figure("largest_batch"),
    log:
        "logs/plot_largest_batch.log",
    benchmark:
        "logs/plot_largest_batch.tsv"
    priority: FIRST
    conda:
        CONDA
    params:
        **figure_params("largest_batch"),
        seed=config["seed"],
        code=code_digest("plot_largest_batch"),
    script:
        "../scripts/plot_largest_batch.py"

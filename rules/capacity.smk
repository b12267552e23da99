"""What fits on a card, and the number of cards for a request rate, by arithmetic and replay without an engine.

in   capacity of config.yaml, config/shapes.yaml, model.json of the models that plans name,
     results/figures/capacity/largest_batch.<format>
out  results/tables/capacity.csv, results/capacity.html
"""


rule plan_capacity:
    """Compute what fits under each policy and the cards for a request rate, and show the arithmetic."""
    input:
        shapes=paths.of_project("config/shapes.yaml"),
        models=paths.planned_models(config),
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
        code=code_digest(
            "plan_capacity", *paths.page_sources("capacity", "largest_batch")
        ),
    script:
        "../scripts/plan_capacity.py"

"""Models, stored where the engines find them.

in   models.<model> of config.yaml
out  resources/models/<model>/model.json and the files that it names

On a cluster this is a local rule, because compute nodes often have no network access.
"""


rule prepare_model:
    """Download or create a model and describe it."""
    input:
        environment=ancient("results/environment.json"),
    output:
        record="resources/models/{model}/model.json",
    log:
        "logs/prepare_model/{model}.log",
    benchmark:
        "logs/prepare_model/{model}.tsv"
    priority: FIRST
    localrule: True
    conda:
        CONDA
    resources:
        timeout_s=TIMEOUT_S.get("prepare_model", 0),
    params:
        name="{model}",
        model=get_model,
        code=code_digest("prepare_model"),
    script:
        "../scripts/prepare_model.py"

"""Block maps: what the engines' caches held at every step, for the report's page.

in   results/runs/**, results/workloads/**, the model's tokenizer
out  results/maps/<model>/<workload>.json.gz, <workload>/<point>.json.gz where requests arrive over time
"""


rule draw_block_map:
    """Make the document of a block map from the runs of one model and workload."""
    input:
        unpack(by_wildcards(paths.map_inputs)),
        model="resources/models/{model}/model.json",
        workload="results/workloads/{model}/{workload}.parquet",
    output:
        map="results/maps/{model}/{workload}.json.gz",
    log:
        "logs/draw_block_map/{model}/{workload}.log",
    benchmark:
        "logs/draw_block_map/{model}/{workload}.tsv"
    conda:
        CONDA
    params:
        code=code_digest("draw_block_map"),
    script:
        "../scripts/draw_block_map.py"


use rule draw_block_map as draw_arrivals_map with:
    output:
        map="results/maps/{model}/{workload}/{point}.json.gz",
    log:
        "logs/draw_block_map/{model}/{workload}/{point}.log",
    benchmark:
        "logs/draw_block_map/{model}/{workload}/{point}.tsv"

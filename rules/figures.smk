"""Figures: one rule for each entry of kvbench.figures.registry, all run by the same script.

in   results/runs/**, results/workloads/**, results/tables/*.csv, results/sweeps/**, config/{published,shapes}.yaml
out  results/figures/<model>/<workload>/, results/figures/replays/<scenario>/, results/figures/capacity/, results/figures/kernel/:
     <figure>.<format>
"""

for figure in FIGURES:

    rule:
        name:
            f"plot_{figure.name}"
        input:
            unpack(partial(figure_files.figure_inputs, figure, MEASURED)),
        output:
            **figure_outputs(figure),
        log:
            f"logs/{figure.job}.log",
        benchmark:
            f"logs/{figure.job}.tsv"
        priority: 0 if figure.of == OF_WORKLOAD else FIRST
        conda:
            CONDA
        params:
            **figure_params(figure),
            code=code_digest("plot_figure", modules=[figure.module]),
        script:
            "../scripts/plot_figure.py"

    workflow.get_rule(f"plot_{figure.name}").docstring = figure.shows

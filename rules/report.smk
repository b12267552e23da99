"""The report: one page, and its first numbers for the terminal.

in   results/tables/*.csv, results/figures/**, results/runs/**/run.json, results/environment.json, results/config.yaml
out  results/report.html, results/found.txt
"""


rule make_report:
    """One page with the machine, the settings, the tables and the figures, and a summary for the terminal."""
    input:
        environment="results/environment.json",
        config="results/config.yaml",
        tables=paths.tables(config, RUNS),
        figures=figure_files.run_figures(MEASURED, [SHOWN]),
        replays=figure_files.replay_figures(config, [SHOWN]),
        kernel=figure_files.kernel_figures(config, MEASURED, [SHOWN]),
        runs=paths.record_files(MEASURED),
    output:
        report="results/report.html",
        found="results/found.txt",
    log:
        "logs/make_report.log",
    benchmark:
        "logs/make_report.tsv"
    localrule: True
    conda:
        CONDA
    params:
        has_capacity=bool(config["capacity"]),
        code=code_digest("make_report", *paths.page_sources("report")),
    script:
        "../scripts/make_report.py"

"""The report: one page, and its first numbers for the terminal.

in   results/tables/*.csv, results/figures/**, results/runs/**, results/environment.json, results/config.yaml,
     results/sweeps/**, results/replays/**/series.parquet, results/tables/capacity.csv
out  results/report.html, results/found.txt, results/tables/latex/*.tex, results/methods.{txt,tex}
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
        maps=as_far_as_needed(paths.maps(config, MEASURED)),
        runs=paths.record_files(MEASURED),
        data=paths.data_files(MEASURED),
        sweeps=paths.sweep_files(config, MEASURED),
        series=map(paths.replay_series, config["replays"]),
        capacity=paths.capacity_tables(config),
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
        missing=MISSING,
        seed=config["seed"],
        packages=package_versions("altair", "vl-convert-python"),
        code=code_digest("make_report", *paths.page_sources("report")),
    script:
        "../scripts/make_report.py"


rule write_latex:
    """The main tables as LaTeX, with the columns and rows of the report."""
    input:
        **{name: paths.table_file(name) for name in paths.TABLES_IN_LATEX},
    output:
        **{name: paths.latex_file(name) for name in paths.TABLES_IN_LATEX},
    log:
        "logs/write_latex.log",
    benchmark:
        "logs/write_latex.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("write_latex"),
    script:
        "../scripts/write_latex.py"


rule write_methods:
    """A methods paragraph, from the configuration, the machine and the runs."""
    input:
        environment="results/environment.json",
        config="results/config.yaml",
        runs=paths.record_files(MEASURED),
    output:
        **paths.METHODS,
    log:
        "logs/write_methods.log",
    benchmark:
        "logs/write_methods.tsv"
    localrule: True
    conda:
        CONDA
    params:
        code=code_digest("write_methods"),
    script:
        "../scripts/write_methods.py"

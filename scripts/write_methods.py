"""Write the methods paragraph, results/methods.txt and results/methods.tex."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.files import write_text
from kvbench.machine.recorded import read_environment
from kvbench.report.methods import as_latex, methods
from kvbench.yaml_files import read_stored


def main(snakemake):
    with job(snakemake):
        given = snakemake.input
        text = methods(read_environment(given.environment), read_stored(given.config), load_runs(given.runs))
        write_text(snakemake.output.text, text)
        write_text(snakemake.output.latex, as_latex(text))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

"""Write the report's main tables as LaTeX, results/tables/latex/<name>.tex."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import read_table, write_text
from kvbench.report.latex import CAPTIONS, latex


def main(snakemake):
    with job(snakemake):
        for name in CAPTIONS:
            write_text(snakemake.output[name], latex(name, read_table(snakemake.input[name])))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

"""Write results/report.html with machine, settings, tables, figures and maps, and its first numbers, found.txt."""

from pathlib import Path

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.blockmap import load
from kvbench.files import read_table, write_text
from kvbench.report.charts.bundle import library
from kvbench.report.charts.of_report import charts
from kvbench.report.found import in_short
from kvbench.report.methods import methods
from kvbench.report.page import read_inputs, render
from kvbench.yaml_files import read_stored


def main(snakemake):
    with job(snakemake):
        given, params = snakemake.input, snakemake.params
        settings = read_stored(given.config)
        figures = [*given.figures, *given.replays, *given.kernel]
        found = read_inputs(given.environment, given.config, given.tables, figures, given.runs)
        maps = [(one.model, one.workload, one.data) for one in map(load, given.maps)]
        told = methods(found[0], settings, found[4]) if found[4] else ""
        drawn = charts(found[2], found[3], found[4], [*given.sweeps, *given.series])
        beside = {"charts": drawn, "chart_library": library() if drawn else ""}
        page = render(
            *found, maps=maps, **beside, has_capacity=params.has_capacity, methods=told, missing=params.missing
        )
        write_text(Path(snakemake.output.report), page)
        plans = read_table(given.capacity[0]) if params.has_capacity else None
        lines = in_short(found[2], found[4], params.seed, plans, params.missing)
        write_text(Path(snakemake.output.found), lines)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

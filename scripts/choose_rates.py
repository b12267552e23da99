"""Choose, for each engine whose rates are swept, the rate to run next in the search for its capacity."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.analysis.results import load_runs
from kvbench.analysis.slo_capacity import attained, next_rate
from kvbench.files import write_json


def main(snakemake):
    with job(snakemake):
        runs, slo = load_runs(snakemake.input.runs), snakemake.params.slo
        found = {engine: attained([r for r in runs if r.engine == engine], slo) for engine in snakemake.params.engines}
        chosen = {engine: next_rate(own, slo["share"]) for engine, own in found.items() if own}
        write_json(snakemake.output.rates, {engine: rate for engine, rate in chosen.items() if rate is not None})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

"""Summarise all runs in results/tables: throughput, latency, memory, KV waste, ratios, attribution and others."""

from kvbench import quick_start  # noqa: F401 (first)
from kvbench.adapter import job
from kvbench.files import read_json, write_csv
from kvbench.results import load_runs
from kvbench.tables import (
    attribution,
    devices,
    kv_waste,
    latency,
    memory,
    processes,
    ratios,
    repeats,
    roofline,
    sharing,
    throughput,
)


def main(snakemake):
    with job(snakemake):
        runs = load_runs(snakemake.input.runs)
        seed = snakemake.params.seed
        write_csv(snakemake.output.throughput, throughput.table(runs, seed))
        write_csv(snakemake.output.latency, latency.table(runs, seed))
        write_csv(snakemake.output.memory, memory.table(runs))
        write_csv(snakemake.output.devices, devices.table(runs))
        write_csv(snakemake.output.kv_waste, kv_waste.table(runs))
        write_csv(snakemake.output.ratios, ratios.table(runs, seed))
        write_csv(snakemake.output.attribution, attribution.table(runs, seed))
        write_csv(snakemake.output.roofline, roofline.table(runs, read_json(snakemake.input.bandwidth), seed))
        samples = repeats.table(runs)
        write_csv(snakemake.output.repeats, samples)
        write_csv(snakemake.output.sharing, sharing.table(runs, samples, seed))
        write_csv(snakemake.output.processes, processes.table(runs, seed))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

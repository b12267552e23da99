"""Measure the copy bandwidth of memory on the device that the engines use."""

from kvbench.adapter import job
from kvbench.files import read_record, write_json
from kvbench.machine.host import shown_gpu_ids
from kvbench.machine.threads import resolve_threads, set_threads
from kvbench.machine.turns import Turn


def main(snakemake):
    with job(snakemake) as task, Turn(task.tell) as turn:
        device = read_record(snakemake.input.environment, "device")["device"]
        threads = resolve_threads(snakemake.params.cpu_threads, device)
        set_threads(threads)
        gpu_ids = shown_gpu_ids() if device == "cuda" else []
        from kvbench.machine.copy_bandwidth import copy_bandwidth

        turn.measure()
        found = copy_bandwidth(device, threads, gpu_ids)
        write_json(snakemake.output.bandwidth, {"device": device, "threads": threads, "copy": found})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

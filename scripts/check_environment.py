"""Write facts about this machine and the chosen device; `python scripts/check_environment.py` prints them."""

import argparse
import shutil
import sys
from typing import Any

from kvbench.adapter import job
from kvbench.engines.attention import require_attention
from kvbench.errors import UserError
from kvbench.files import write_json
from kvbench.machine.facts import Facts, choose_device, gather_facts


def check_environment(snakemake: Any) -> None:
    """The rule: results/environment.json."""
    params = snakemake.params
    with job(snakemake):
        facts = gather_facts(engines=params.engines)
        print(describe(facts))
        require_attention(params.attention)
        write_json(snakemake.output[0], facts.record(choose_device(params.device, facts) if params.engines else None))


def describe(facts: Facts) -> str:
    """One line per fact: OK or missing, its name and its value."""
    python, cpu, nvml, torch, vllm = facts.python, facts.cpu, facts.nvml, facts.torch, facts.vllm
    isolated = python["isolation"] != "none"
    rows = [
        (isolated, "Python", f"{python['version']}, isolation: {python['isolation']} ({python['executable']})"),
        *((found is not None, name, _package(found)) for name, found in facts.packages.items()),
        (torch.error is None, "import torch", torch.error or f"{torch.version}, built for {_build(torch.cuda)}"),
        (
            vllm.error is None,
            "import vllm",
            vllm.error or f"{vllm.version}, runs on: {vllm.platform or 'no device here'}",
        ),
        (True, "CPU", f"{cpu['model']}, {cpu['cpus_usable']} of {cpu['cpus']} CPUs usable"),
        ("avx2" in cpu["instruction_sets"], "instruction sets", " ".join(cpu["instruction_sets"])),
        (True, "memory", f"{facts.memory_total_bytes / 2**30:.1f} GiB"),
        (True, "disk", f"{shutil.disk_usage('.').free / 2**30:.1f} GiB free here"),
        (nvml["available"], "NVML", nvml["problem"] or f"driver {nvml['driver']}, serves CUDA {nvml['cuda_driver']}"),
        (torch.cuda_available, "CUDA in torch", f"{torch.cuda_devices} devices"),
        (bool(facts.gpus), "GPUs", str(len(facts.gpus))),
        *((True, f"GPU {gpu.index}", _gpu(gpu)) for gpu in facts.gpus),
    ]
    return "\n".join(f"{'OK' if good else 'missing':<8} {name:<17} {value}" for good, name, value in rows)


def _package(found: dict[str, str] | None) -> str:
    return f"{found['version']:<14} {found['file']}" if found else "not installed"


def _build(cuda: str | None) -> str:
    return f"CUDA {cuda}" if cuda else "CPU"


def _gpu(gpu: Any) -> str:
    memory = "memory unknown" if gpu.total_bytes is None else f"{gpu.total_bytes / 2**30:.1f} GiB"
    return f"{gpu.name}, {memory}, compute capability {gpu.compute_capability}"


def main() -> None:
    """Print the facts and the device; one line and exit code 1 if `--device` is not possible here."""
    parser = argparse.ArgumentParser(description="What kvbench finds on this machine.")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    wish = parser.parse_args().device
    try:
        facts = gather_facts()
        print(describe(facts), flush=True)
        print(f"\ndevice: {choose_device(wish, facts)}")
    except UserError as error:
        sys.exit(str(error))


if "snakemake" in globals():
    check_environment(globals()["snakemake"])
elif __name__ == "__main__":
    main()

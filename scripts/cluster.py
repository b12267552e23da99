"""Run the experiment on a SLURM cluster: `make cluster`; further options are Snakemake's."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvbench.config.cluster import arguments, status_arguments
from kvbench.config.overlays import read_layers
from kvbench.config.settings import uses_cuda, validate
from kvbench.config.wording import Invalid
from kvbench.errors import UserError
from kvbench.machine import slurm
from kvbench.machine.packages import installed_version
from kvbench.preflight.engines import NEED_ENGINES, READ_ONLY
from kvbench.preflight.given_files import check_given_files

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ["--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(ROOT / "profiles/slurm")]
RULES = {*NEED_ENGINES, *READ_ONLY, "check_environment"}


def main() -> None:
    """Check what jobs ask for, then become Snakemake."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False, allow_abbrev=False)
    parser.add_argument("--directory", "-d", type=Path, default=Path())
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[], type=os.path.abspath)
    parser.add_argument("--config", "-C", nargs="+", default=[])
    options, further = parser.parse_known_args()
    try:
        check_given_files(sys.argv[1:])
        own = on_cluster(options, slurm.nodes(), slurm.settings())
    except UserError as error:
        sys.exit(str(error))
    # PROFILE follows the options with several values, of which it ends the last before a target may follow.
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *own, *PROFILE, *further])


def on_cluster(options: argparse.Namespace, nodes: Sequence[slurm.Node], settings: Mapping[str, str]) -> list[str]:
    """Arguments of Snakemake, those that were given among them."""
    base = next(filter(Path.exists, [options.directory / "config.yaml"]), ROOT / "config.yaml")
    layers = read_layers(base, options.configfile, options.config)
    config = validate(layers.config, ROOT / "schemas/config.schema.yaml", layers.origin)
    device = device_of(config, nodes)
    given = ["--directory", str(options.directory)]
    given += ["--configfile", *options.configfile] if options.configfile else []
    given += ["--config", *options.config, f"device={device}"]
    try:
        asked = arguments(config, nodes, RULES, cuda=device == "cuda")
    except Invalid as error:
        raise UserError(f"{layers.origin(error.at)}: {error}") from None
    return [*given, *status_arguments(settings), *asked]


def device_of(config: Mapping[str, Any], nodes: Sequence[slurm.Node]) -> str:
    """Where engines run; `auto` is decided by the nodes and the packages, since this machine may have no GPU."""
    if config["device"] != "auto":
        return config["device"]
    partition = config["cluster"]["partition"]
    there = [node for node in nodes if (node.partition == partition if partition else node.is_default)]
    if not any(node.gpus for node in there):
        return "cpu"
    if installed_version("vllm") or uses_cuda(config):
        return "cuda"
    print("The nodes have GPUs, but .venv is for CPUs; to use them: make cluster FLAVOUR=cuda", file=sys.stderr)
    return "cpu"


if __name__ == "__main__":
    main()

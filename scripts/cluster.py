"""Run the experiment on a SLURM cluster: `make cluster`; further options are Snakemake's."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kvbench.config.cluster import arguments, device_of, status_arguments
from kvbench.config.overlays import read_layers
from kvbench.config.settings import validate
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
    has_cuda = installed_version("vllm") is not None
    device = device_of(config, nodes, has_cuda=has_cuda)
    if device == "cpu" and not has_cuda and device_of(config, nodes, has_cuda=True) == "cuda":
        print("The nodes have GPUs, but .venv is for CPUs; to use them: make cluster FLAVOUR=cuda", file=sys.stderr)
    given = ["--directory", str(options.directory)]
    given += ["--configfile", *options.configfile] if options.configfile else []
    given += ["--config", *options.config, f"device={device}"]
    try:
        asked = arguments(config, nodes, RULES, cuda=device == "cuda")
    except Invalid as error:
        raise UserError(f"{layers.origin(error.at)}: {error}") from None
    return [*given, *status_arguments(settings), *asked]


if __name__ == "__main__":
    main()

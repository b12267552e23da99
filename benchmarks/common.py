"""Shared by the benchmarks of engines: input files, an engine's settings, the ratio of two sides."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from kvbench.config.parameters import shared_settings
from kvbench.engines.base import EngineSettings
from kvbench.errors import UserError
from kvbench.files import read_json, write_json
from kvbench.machine.cards import choose_cards, hold_cards
from kvbench.machine.host import host_record
from kvbench.machine.nvml import Session
from kvbench.machine.threads import set_threads
from kvbench.machine.turns import Turn
from kvbench.measure.orders import Order, resolve
from kvbench.yaml_files import read_yaml


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Options for the files and the settings of a run, of which three can be given alone."""
    parser.add_argument("--model", type=Path, required=True, help="model.json")
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--environment", type=Path, default=Path("results/environment.json"))
    parser.add_argument("--settings", type=json.loads, help="of a run, as JSON; without, those of config.yaml")
    parser.add_argument("--kv-budget-mib", type=float, help="in place of the settings'")
    parser.add_argument("--max-length", type=int, help="in place of the settings'")
    parser.add_argument("--dtype", help="in place of the settings'")
    parser.add_argument("--out", type=Path, help="write the result to this JSON file too")


@contextmanager
def turn(arguments: argparse.Namespace) -> Iterator[Turn]:
    """This benchmark's turn on the machine, with a GPU of its own if there is one: load, `measure()`, then time."""
    if read_json(arguments.environment)["device"] == "cuda":
        with Session() as session:
            hold_cards(session, 1, _say)
    with Turn(_say) as taken:
        yield taken


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def settle(arguments: argparse.Namespace, engine: str, *, temperature: float) -> tuple[Order, EngineSettings]:
    """The order and settings of one engine on this machine; sets the threads, so call it before torch loads."""
    own = {name: value for name in ("kv_budget_mib", "max_length", "dtype") if (value := getattr(arguments, name))}
    fixed = {"engine": engine, "gpus": 1, "shared_gpu": False, "sampling": {"temperature": temperature, "top_p": 1.0}}
    given = (arguments.settings or _defaults()) | own | fixed
    order = Order(given, arguments.environment, arguments.model, arguments.workload, {})
    settings = resolve(order)
    set_threads(settings.threads)
    return order, settings


def _defaults() -> dict[str, Any]:
    """The settings of a run that config.yaml does not mention."""
    shared = shared_settings(read_yaml(Path(__file__).resolve().parents[1] / "config.yaml"))
    return shared | {"purpose": "measure", "dtype": "auto", "options": {}}


def paired(ours: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Median tokens/s of two sides that ran in alternation, and the median over passes of the ratio ours / other, with
    its 95% bootstrap interval.
    """
    import numpy as np

    from kvbench.benchmarks.interval import median_interval

    above, below = np.asarray(ours), np.asarray(other)
    ratios = above / below
    return {
        "passes": len(ratios),
        "ours_output_tokens_per_s": float(np.median(above)),
        "other_output_tokens_per_s": float(np.median(below)),
        "ratio": float(np.median(ratios)),
        **median_interval(ratios),
    }


def report(arguments: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a result with its device and host, and write it to the file given by `--out`."""
    result["device"] = read_json(arguments.environment)["device"]
    result["host"] = _host(result["device"])
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


def _host(device: str) -> dict[str, Any]:
    """The entry `host` of run.json for this machine and the card of `turn`."""
    with Session() as session:
        session.keep([card.uuid for card in choose_cards(session, 1)] if device == "cuda" else ())
        return host_record(session)


def run(main: Callable[[], None]) -> None:
    """Call `main`; print a UserError as one line."""
    try:
        main()
    except UserError as error:
        sys.exit(str(error))

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

from kvbench.engines.base import EngineSettings
from kvbench.errors import UserError
from kvbench.files import read_json, write_json
from kvbench.machine.cards import choose_cards, hold_cards
from kvbench.machine.host import host_record
from kvbench.machine.nvml import Session
from kvbench.machine.threads import set_threads
from kvbench.machine.turns import Turn
from kvbench.measure.orders import Order, resolve


def add_inputs(parser: argparse.ArgumentParser, kv_budget_mib: float) -> None:
    """Options for the files, the KV budget (`kv_budget_mib` unless given) and the maximum length."""
    parser.add_argument("--model", type=Path, required=True, help="model.json")
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--environment", type=Path, default=Path("results/environment.json"))
    parser.add_argument("--kv-budget-mib", type=float, default=kv_budget_mib)
    parser.add_argument("--max-length", type=int, default=512)
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


def settle(
    arguments: argparse.Namespace, engine: str, *, temperature: float, dtype: str = "auto"
) -> tuple[Order, EngineSettings]:
    """The order and settings of one engine on this machine; sets the threads, so call it before torch loads."""
    given = {
        "engine": engine,
        "purpose": "measure",
        "gpus": 1,
        "prefix_sharing": False,
        "shared_gpu": False,
        "max_length": arguments.max_length,
        "kv_budget_mib": arguments.kv_budget_mib,
        "memory_fraction": 0.8,
        "block_size": "auto",
        "cpu_threads": "auto",
        "dtype": dtype,
        "sampling": {"temperature": temperature, "top_p": 1.0},
        "seed": 0,
        "options": {},
    }
    order = Order(given, arguments.environment, arguments.model, arguments.workload, {})
    settings = resolve(order)
    set_threads(settings.threads)
    return order, settings


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

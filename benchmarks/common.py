"""What benchmarks of engines share: the files that they read and the settings that an engine is given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from kvbench.engines.base import EngineSettings
from kvbench.run import Order, resolve
from kvbench.threads import set_threads


def add_inputs(parser: argparse.ArgumentParser, kv_budget_mib: float) -> None:
    """Options for the files, the KV budget (`kv_budget_mib` unless given) and the maximum length."""
    parser.add_argument("--model", type=Path, required=True, help="model.json")
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--environment", type=Path, default=Path("results/environment.json"))
    parser.add_argument("--kv-budget-mib", type=float, default=kv_budget_mib)
    parser.add_argument("--max-length", type=int, default=512)


def settle(
    arguments: argparse.Namespace, engine: str, *, temperature: float, dtype: str = "auto"
) -> tuple[Order, EngineSettings]:
    """The order of one engine and its settings on this machine; sets the threads, so call it before torch loads."""
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

"""All checks, in the order in which faults are reported."""

from __future__ import annotations

from kvbench.config.checks.benchmarks import check_benchmarks
from kvbench.config.checks.capacity import check_capacity
from kvbench.config.checks.comparable import check_arrivals, check_comparable, check_sweeps, check_unique
from kvbench.config.checks.engines import (
    check_block_sizes,
    check_devices,
    check_gpus,
    check_kv_dtypes,
    check_one_block,
    check_sharing,
)
from kvbench.config.checks.lengths import check_lengths
from kvbench.config.checks.names import check_names
from kvbench.config.checks.options import check_options
from kvbench.config.checks.paging_price import check_paging_price
from kvbench.config.checks.replays import check_replays
from kvbench.config.checks.sources import check_sources
from kvbench.config.checks.values import check_values
from kvbench.config.runs import Plan
from kvbench.config.wording import Invalid


def check(config: dict, plan: Plan, cuda: bool) -> None:
    """Raise Invalid for the first fault that the schema cannot find; `cuda`: engines run on a CUDA device."""
    if not (config["runs"] or config["replays"] or config["capacity"]):
        raise Invalid("runs", "is empty, and so are replays and capacity; add an entry to one of the three")
    check_values(config)
    check_names(config)
    check_devices(plan, cuda)
    check_sources(config, plan)
    check_sharing(config, plan)
    check_kv_dtypes(config, plan)
    check_options(config["engines"])
    check_sweeps(config["runs"])
    check_arrivals(config)
    check_unique(plan)
    check_comparable(plan, config)
    check_lengths(config, plan)
    check_block_sizes(config, plan, cuda)
    check_one_block(plan)
    check_gpus(config, plan, cuda)
    check_benchmarks(config, plan)
    check_paging_price(config["paging_price"])
    check_capacity(config["capacity"], config["models"])
    check_replays(config["replays"])
    if not {"svg", "png"} & set(config["figures"]["formats"]):
        raise Invalid("figures.formats", "the report needs svg or png; add one")

"""The list of all figures: what each one shows, what it reads, and where it is stored.

`from_job` of `kvbench/figures/<name>.py` draws a figure, `captions/<name>.rst` is its caption. Rules and tests read
this list; the code that draws does not, so that a new entry redraws no other figure. Nothing heavy is imported here,
since Snakemake reads it whenever it starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The things that have one figure each, given by the folder with its wildcards.
OF_WORKLOAD, OF_REPLAY, OF_PLAN, OF_KERNEL = "{model}/{workload}", "replays/{scenario}", "capacity", "kernel"
# What a figure needs among its runs: a run outside sweeps; the parity reference and another engine; a run whose
# requests arrive at a rate; one whose requests are all submitted at once.
A_BASE, THE_REFERENCE, A_RATE, AT_ONCE = ("a base", "the reference", "a rate", "all at once")
CATEGORIES = ("Memory", "Speed", "Parity", "Workload", "Replay", "Capacity")


@dataclass(frozen=True)
class Entry:
    """A figure, and the inputs that its rule gives to `from_job` by name."""

    name: str
    shows: str  # one line, ending in a full stop
    category: str
    of: str = OF_WORKLOAD
    table: str | None = None  # `table`: results/tables/<table>.csv
    beside: tuple[str, ...] = ()  # further tables, each an input by its name, where the configuration makes it
    runs: bool = False  # `runs`, `data`: run.json and Parquet files of the runs of its workload
    sweep: str | None = None  # the key whose points it shows; there is a figure only if at least two points were run
    replays: bool = False  # `replays`: the replay of the points of `sweep`
    key: str | None = None  # only of scenarios with this key
    predicted: bool = False  # `predicted`: the replay's latencies at rates of arrival
    workload: bool = False  # `workload`: the file of the requests
    project: tuple[str, ...] = ()  # `published`, `shapes`: config/<name>.yaml of the project
    params: tuple[str, ...] = ()  # further parameters: `kind` of its workload, `seed`
    needs: str | None = None  # needed among its runs: A_BASE, THE_REFERENCE, A_RATE or AT_ONCE

    @property
    def module(self) -> str:
        """Dotted name of the module that draws it."""
        return f"{__package__}.{self.name}"

    @property
    def job(self) -> str:
        """Path of its rule's logs below logs/, without a suffix: the rule and the wildcards."""
        return "/".join([f"plot_{self.name}", *re.findall(r"{\w+}", self.of)])

    @property
    def caption(self) -> str:
        """Path of its caption, relative to the project."""
        return f"captions/{self.name}.rst"


FIGURES = (
    Entry(
        "memory",
        "Memory over time: the cache's split over the process's and the device's total.",
        "Memory",
        runs=True,
    ),
    Entry(
        "throughput",
        "Output tokens per second of each engine, every repeat shown.",
        "Speed",
        table="throughput",
        runs=True,
        needs=AT_ONCE,
    ),
    Entry(
        "latency",
        "Time to first token and time per output token.",
        "Speed",
        table="latency",
        runs=True,
        needs=AT_ONCE,
    ),
    Entry(
        "latency_rate",
        "Latency, attainment of the SLO and completed requests against the rate of arrival.",
        "Speed",
        table="serving",
        beside=("slo_capacity",),
        predicted=True,
        needs=A_RATE,
    ),
    Entry(
        "request_time",
        "What requests spend their time on, by engine and rate of arrival, and the slowest requests.",
        "Speed",
        table="serving",
        beside=("slowest_requests",),
        needs=A_RATE,
    ),
    Entry(
        "attribution",
        "Where the speed comes from: the chain of factors, side ratios, where requests waited.",
        "Speed",
        table="attribution",
        needs=A_BASE,
    ),
    Entry(
        "upkeep",
        "Share of a step's time that vLLM spends on blocks and block tables, by running requests.",
        "Speed",
        table="upkeep",
    ),
    Entry(
        "roofline",
        "Decoding steps against the least time that memory allows, and how busy the device was.",
        "Speed",
        table="roofline",
        needs=AT_ONCE,
    ),
    Entry(
        "kv_waste",
        "What the allocated slots of the KV cache held, on average over the run.",
        "Memory",
        table="kv_waste",
    ),
    Entry(
        "parity",
        "How much of the output is equal to the reference's.",
        "Parity",
        table="parity",
        needs=THE_REFERENCE,
    ),
    Entry(
        "memory_parts",
        "Memory by part, against what the process uses.",
        "Memory",
        table="memory",
    ),
    Entry(
        "sharing",
        "The blocks that prefix sharing saves, and what it does to speed.",
        "Memory",
        table="sharing",
        runs=True,
        sweep="prefix_sharing",
        project=("published",),
        params=("kind",),
    ),
    Entry(
        "kv_dtype",
        "What number types of the KV cache do to capacity, speed and tokens.",
        "Memory",
        table="kv_dtypes",
        sweep="kv_dtype",
    ),
    Entry(
        "workload_lengths",
        "How long the prompts and outputs of a workload are.",
        "Workload",
        workload=True,
    ),
    Entry(
        "block_size",
        "How full blocks are and how fast requests are served, by block size.",
        "Memory",
        table="sweeps",
        sweep="block_size",
        replays=True,
        project=("published",),
        params=("kind",),
    ),
    Entry(
        "preemption",
        "Preemptions, tokens computed again and speed, by the size of the pool.",
        "Memory",
        table="sweeps",
        sweep="kv_budget_mib",
        replays=True,
    ),
    Entry(
        "paging_price",
        "What a block table costs: times of the attention kernel on pages and on contiguous K and V.",
        "Speed",
        of=OF_KERNEL,
        table="paging_price",
    ),
    Entry(
        "replay_waste",
        "What the slots of the KV region held under each policy while memory was short.",
        "Replay",
        of=OF_REPLAY,
        table="replays",
        project=("published",),
    ),
    Entry(
        "batched_requests",
        "How many requests ran at once under each policy.",
        "Replay",
        of=OF_REPLAY,
        table="replays",
        project=("published",),
    ),
    Entry(
        "hit_rate",
        "Share of prompt tokens that a prefix cache finds again, against the size of the pool.",
        "Replay",
        of=OF_REPLAY,
        table="hit_rates",
        beside=("replays",),
        key="hit_rate",
    ),
    Entry(
        "fleet",
        "Share of requests within the SLO, and the slowest first tokens, against the number of replicas.",
        "Replay",
        of=OF_REPLAY,
        table="fleets",
        key="fleet",
    ),
    Entry(
        "largest_batch",
        "The largest batch that fits against model size and context length.",
        "Capacity",
        of=OF_PLAN,
        project=("shapes",),
        params=("seed",),
    ),
    Entry(
        "kv_by_context",
        "KV cache of a request against its length, by group of layers.",
        "Capacity",
        of=OF_PLAN,
        table="kv_by_context",
        project=("shapes",),
    ),
)

"""Each scenario has requests to replay, and a pool that can hold a request of the maximum length."""

from __future__ import annotations

from kvbench.config.checks.sources import check_file
from kvbench.config.wording import Invalid
from kvbench.kv.policies import PREFIX_AWARE, RESERVING, takes_time

OF_FILES = ("trace", "format", "speed")
MOST_SLOTS = 1_000_000_000  # of a fleet: a buddy allocator keeps 9 bytes of each
MOST_BLOCKS = 100_000_000  # a replay that shares blocks keeps about 40 bytes of each


def check_replays(replays: dict, *, files: bool = True) -> None:
    for name, own in replays.items():
        at = f"replays.{name}"
        if ("workload" in own) == ("file" in own):
            raise Invalid(at, "needs either a workload by name or a file; write exactly one of workload and file")
        if "file" in own and files:
            check_file(f"{at}.file", own["file"])
        if "workload" in own and "requests" not in own:
            raise Invalid(f"{at}.requests", "missing; write how many requests to draw, for example 2000")
        for key in OF_FILES:
            if "workload" in own and key in own:
                raise Invalid(f"{at}.{key}", "applies only to file, not to workload; remove it")
        if "requests_per_s" in own and not takes_time(own):
            remedy = "add step_time with its source, or leave out the rate, so that all requests arrive at once"
            raise Invalid(f"{at}.requests_per_s", f"arrivals need step_time; {remedy}")
        if own["shared_prefix_tokens"] > own["max_length"] - 2:
            problem = f"{own['shared_prefix_tokens']} tokens leave no room in max_length {own['max_length']}; lower it"
            raise Invalid(f"{at}.shared_prefix_tokens", problem)
        if own["prefix_sharing"]:
            _check_replay_sharing(f"{at}.prefix_sharing", own)
            _check_memory(at, own)
        if "hit_rate" in own and not own["prefix_sharing"]:
            remedy = "set prefix_sharing to true, so that common prefixes are read, or remove this"
            raise Invalid(f"{at}.hit_rate", f"needs prefixes that prompts have in common; {remedy}")
        if "fleet" in own:
            _check_fleet(f"{at}.fleet", own)
        _check_pool(at, own)


def _check_replay_sharing(at: str, own: dict) -> None:
    """Prefix sharing needs the policy paged and, with drawn lengths, a common prefix of at least one block."""
    if "paged" not in own["policies"]:
        raise Invalid(at, "only the policy paged can share blocks; add paged to policies, or set this to false")
    if "workload" in own and own["shared_prefix_tokens"] < own["block_size"]:
        problem = f"{own['workload']} has only lengths, which do not show common prefixes"
        remedy = "set shared_prefix_tokens to at least block_size, use a file with token ids, or set this to false"
        raise Invalid(at, f"{problem}; {remedy}")


def _check_fleet(at: str, own: dict) -> None:
    """Latencies need arrivals and a step time, and a router can only follow prefixes that are known."""
    fleet = own["fleet"]
    if "replicas" not in fleet and "at_most" not in fleet:
        remedy = "write at_most to find the fewest replicas within slo, or replicas, for example [1, 2, 4]"
        raise Invalid(at, f"does not say how many replicas; {remedy}")
    if not takes_time(own):
        raise Invalid(at, "latencies need the time of a step; add step_time with its source")
    if "workload" in own and "requests_per_s" not in own:
        raise Invalid(at, "all requests arrive at once, and replicas need a rate to serve; add requests_per_s")
    if PREFIX_AWARE in fleet["routers"] and not own["prefix_sharing"]:
        remedy = "set prefix_sharing to true, so that common prefixes are read, or remove it"
        raise Invalid(f"{at}.routers", f"{PREFIX_AWARE} needs prefixes that prompts have in common; {remedy}")
    most = max([*fleet.get("replicas", ()), fleet.get("at_most", 1)])
    if most * own["pool_slots"] > MOST_SLOTS:
        problem = f"{most} replicas of {own['pool_slots']} slots are more than {MOST_SLOTS} slots"
        raise Invalid(at, f"{problem}, which do not fit in memory; lower at_most or replicas")


def _check_pool(at: str, own: dict) -> None:
    """The pool holds a request of the maximum length under each policy, as the pool of a live engine must."""
    for policy in own["policies"]:
        room = _largest_piece(policy, own)
        if room < own["max_length"]:
            piece = f"under {policy} one request can get at most {room} of the {own['pool_slots']} slots"
            problem = f"{piece}, but max_length is {own['max_length']}; raise pool_slots or lower max_length"
            raise Invalid(f"{at}.pool_slots", problem)


def _check_memory(at: str, own: dict) -> None:
    """Where blocks are shared, a replay keeps a record of each and a row of blocks for each request that runs."""
    blocks = own["pool_slots"] // own["block_size"]
    if blocks > MOST_BLOCKS:
        problem = f"{own['pool_slots']} slots are {blocks} blocks, more than {MOST_BLOCKS}, which do not fit in memory"
        raise Invalid(f"{at}.pool_slots", f"{problem}; lower it or raise block_size")
    rows = min(own["max_running"], own.get("requests", own["max_running"]))
    if rows * (own["max_length"] // own["block_size"]) > MOST_BLOCKS:
        problem = f"{rows} requests of up to {own['max_length']} tokens have more than {MOST_BLOCKS} blocks"
        raise Invalid(f"{at}.max_length", f"{problem}, which do not fit in memory; lower it or raise block_size")


def _largest_piece(policy: str, own: dict) -> int:
    """Slots that one request can get from an empty pool: whole blocks, or a buddy allocator's largest chunk."""
    pool, size = own["pool_slots"], own["block_size"]
    if policy in RESERVING and own["allocator"] == "buddy":
        return 1 << (pool.bit_length() - 1)
    return pool // size * size if policy in ("paged", "hf-static") else pool

"""Scenarios have requests to replay, and a pool that holds each of them."""

from __future__ import annotations

from kvbench.config.checks.sources import check_file
from kvbench.config.wording import Invalid
from kvbench.kv.policies import RESERVING, takes_time


def check_replays(replays: dict) -> None:
    for name, own in replays.items():
        at = f"replays.{name}"
        if ("workload" in own) == ("file" in own):
            raise Invalid(at, "needs a workload by name or a file of yours; write one of workload and file")
        if "file" in own:
            check_file(f"{at}.file", own["file"])
        if "workload" in own and "requests" not in own:
            raise Invalid(f"{at}.requests", "missing; write how many to draw, for example 2000")
        if "workload" in own and "trace" in own:
            raise Invalid(f"{at}.trace", "says what a file is, and this is a workload; leave it out")
        if "requests_per_s" in own and not takes_time(own):
            mend = "add step_time with its source, or leave the rate out for a queue that is all there at once"
            raise Invalid(f"{at}.requests_per_s", f"arrivals need the time of a step; {mend}")
        if own["shared_prefix_tokens"] > own["max_length"] - 2:
            problem = f"{own['shared_prefix_tokens']} leave no room in max_length {own['max_length']}; lower it"
            raise Invalid(f"{at}.shared_prefix_tokens", problem)
        if own["prefix_sharing"]:
            _check_replay_sharing(f"{at}.prefix_sharing", own)
        _check_pool(at, own)


def _check_replay_sharing(at: str, own: dict) -> None:
    """Sharing has a policy that shares and, where only lengths are drawn, a block in common; else it finds nothing."""
    if "paged" not in own["policies"]:
        raise Invalid(at, "of the policies only paged shares blocks; add it to policies, or set this to false")
    if "workload" in own and own["shared_prefix_tokens"] < own["block_size"]:
        problem = f"{own['workload']} has lengths alone, which do not say what prompts have in common"
        mend = "give shared_prefix_tokens of a block at least, or a file with token ids, or set it to false"
        raise Invalid(at, f"{problem}; {mend}")


def _check_pool(at: str, own: dict) -> None:
    """The pool holds a request of the maximum length under each policy, as a live engine's must."""
    for policy in own["policies"]:
        room = _largest_piece(policy, own)
        if room < own["max_length"]:
            piece = f"under {policy} one request gets at most {room} of {own['pool_slots']}"
            problem = f"{piece}, and max_length is {own['max_length']}; raise it or lower max_length"
            raise Invalid(f"{at}.pool_slots", problem)


def _largest_piece(policy: str, own: dict) -> int:
    """Slots that one request can have of an empty pool: whole blocks, or the largest power of two of a buddy."""
    pool, size = own["pool_slots"], own["block_size"]
    if policy in RESERVING and own["allocator"] == "buddy":
        return 1 << (pool.bit_length() - 1)
    return pool // size * size if policy in ("paged", "hf-static") else pool

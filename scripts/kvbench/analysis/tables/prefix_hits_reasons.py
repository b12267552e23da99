"""Why prompts that begin alike were not found in the cache, request by request, from token ids and block tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from kvbench.analysis.tables.prefix_hits_blocks import Beginnings, Pool
from kvbench.analysis.tables.prefix_hits_filling import Filling, Read, Rules
from kvbench.kv.groups import PagedGroup

# What the tokens of a common beginning are, beside those that were found.
REASONS = (
    *("shorter_than_unit", "beyond_last_unit", "last_token", "not_computed_yet", "not_kept", "evicted"),
    "unexplained",
)


@dataclass(frozen=True)
class Asked:
    """A request: its prompt, the tokens that it stored in the end, and what the engine found of the prompt."""

    request_id: str
    prompt: tuple[int, ...]
    stored: tuple[int, ...]
    found: int | None


class Cached(NamedTuple):
    """Tokens of a prompt in whole units when it was admitted: those that other requests had computed, those of them
    that the engine had kept so that they could be found, and those of them that were still there.
    """

    computed: int
    kept: int
    there: int


def reasons(
    asked: Sequence[Asked],
    groups: Sequence[PagedGroup],
    size: int,
    reads: Iterable[Read] | None,
    rules: Rules,
) -> list[dict[str, int | None]]:
    """A row per request, in order of submission: `prompt`, `alike`, `found` and REASONS, in tokens.

    `alike` is the longest common beginning with an earlier request's prompt and answer; found and REASONS add up to it.

    Args:
        size: tokens of a unit.
        reads: all block tables at every step, in order; None if they were not read, so that what depends on them is
            None.
        rules: of the engine.
    """
    beginnings = Beginnings(size)
    cached = {} if reads is None else _cached(asked, Pool(groups, size), beginnings, reads, rules)
    rows = []
    for one in asked:
        rows.append(_row(one, beginnings.alike(one.prompt), size, cached.get(one.request_id)))
        beginnings.add(one.stored)
    return rows


def _row(one: Asked, alike: int, size: int, cached: Cached | None) -> dict[str, int | None]:
    whole = alike // size * size
    row: dict[str, int | None] = {"prompt": len(one.prompt), "alike": alike, "found": one.found}
    row |= {"shorter_than_unit": 0 if whole else alike, "beyond_last_unit": alike - whole if whole else 0}
    wanted = reachable(alike, one.prompt, size)
    row["last_token"] = whole - wanted
    if cached is None or one.found is None:
        return row | dict.fromkeys(REASONS[3:])
    computed, kept, there = (min(tokens, wanted) for tokens in cached)
    row |= {"not_computed_yet": wanted - computed, "not_kept": computed - kept, "evicted": kept - there}
    return row | {"unexplained": there - one.found}


def reachable(alike: int, prompt: Sequence[int], size: int) -> int:
    """Tokens that could be found of a common beginning, in whole units: the last of a prompt is always computed."""
    return min(alike, len(prompt) - 1) // size * size


def _cached(
    asked: Sequence[Asked], pool: Pool, beginnings: Beginnings, reads: Iterable[Read], rules: Rules
) -> dict[str, Cached]:
    """What each request could find when it was first admitted."""
    numbers = {one.request_id: beginnings.whole(one.stored) for one in asked}
    prompts = {one.request_id: len(one.prompt) for one in asked}
    filling = Filling(pool, numbers, prompts, rules)
    found: dict[str, Cached] = {}
    for _, step in groupby(reads, key=lambda read: read.step):
        present = set()
        for read in step:
            name = read.request_id
            if name not in found:
                most = (prompts[name] - 1) // pool.size
                blocks = [pool.findable(numbers[name], most, among) for among in (pool.computed, pool.kept, None)]
                found[name] = Cached(*(count * pool.size for count in blocks))
            filling.take(read)
            present.add((name, read.table))
        filling.end_step(present)
    return found

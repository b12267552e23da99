"""Computes the largest batch that fits, by model and context length, from exact shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kvbench.capacity.held import row_bytes
from kvbench.capacity.memory import Card, Room, cards_for_weights
from kvbench.capacity.shapes import Shape
from kvbench.replay import Settings, Trace
from kvbench.replay.held import held_slots
from kvbench.workload.lengths import draw_lengths
from kvbench.yaml_files import check_keys, check_list, read_yaml

KEYS = {"models": list, "card": dict, "dtype": str, "workload": str, "requests": int, "max_length": int}
KEYS |= {"block_size": int, "contexts_tokens": list}
CARD = {"name": str, "memory_gib": float, "memory_fraction": float, "activation_reserve": float}


@dataclass(frozen=True)
class Curve:
    """Requests that fit at each context length: with the whole length reserved, and paged at the workload's share."""

    shape: Shape
    cards: int
    contexts_tokens: tuple[int, ...]
    reserved: tuple[int, ...]
    paged: tuple[int, ...]


@dataclass(frozen=True)
class Conditions:
    """What all curves have in common, from the key `figure` of config/shapes.yaml."""

    models: tuple[str, ...]
    card: Card
    dtype: str
    workload: str
    requests: int
    max_length: int
    block_size: int
    contexts_tokens: tuple[int, ...]


def read_conditions(path: str | Path) -> Conditions:
    """The conditions in a file such as config/shapes.yaml; UserError if a key is missing or unknown."""
    given = read_yaml(path)
    found = given.get("figure") if isinstance(given, dict) else None
    check_keys(f"{path}: figure", found, KEYS)
    check_keys(f"{path}: figure.card", found["card"], CARD)
    for name, of in (("models", str), ("contexts_tokens", int)):
        check_list(f"{path}: figure.{name}", found[name], of)
    lists = {name: tuple(found[name]) for name in ("models", "contexts_tokens")}
    return Conditions(**found | lists | {"card": Card(**found["card"])})


def mean_share(conditions: Conditions, seed: int) -> float:
    """Mean number of stored tokens of a running request over all steps, as a share of the maximum length."""
    drawn = draw_lengths(conditions.workload, conditions.requests, seed, conditions.workload)
    return held_slots(Trace.of(*drawn), Settings("paged", 1, block_size=1)) / conditions.max_length


def curve(shape: Shape, conditions: Conditions, share: float) -> Curve:
    """The curve of a shape on the fewest cards that hold its weights.

    Reserved: slots // context. Paged: slots // (share · context + (bs − 1) / 2): stored tokens and half a last block.
    Layers with a window keep at most its tokens, in blocks also half a first block of those that have left it.
    """
    cards = cards_for_weights(shape, conditions.dtype, conditions.card)
    room = Room(shape, conditions.dtype, conditions.card, cards)
    contexts = conditions.contexts_tokens
    if not shape.keeps_all:
        reserved = tuple(room.kv_bytes // row_bytes(room, length) for length in contexts)
        held = (_paged_bytes(room, share * length, conditions.block_size) for length in contexts)
        return Curve(shape, cards, contexts, reserved, tuple(int(room.kv_bytes // size) for size in held))
    tail = (conditions.block_size - 1) / 2
    reserved = tuple(room.slots // length for length in contexts)
    paged = tuple(int(room.slots // (share * length + tail)) for length in contexts)
    return Curve(shape, cards, contexts, reserved, paged)


def _paged_bytes(room: Room, tokens: float, block_size: int) -> float:
    """Bytes of the blocks of a request of `tokens` tokens, and half a block at each end where tokens come or go."""
    tail = (block_size - 1) / 2
    kept = 0.0
    for table in room.paging.groups:
        leaves = table.window is not None and tokens > table.window
        kept += (table.window + 2 * tail) if leaves else tokens + tail
    return kept * room.block_bytes(1)


def curves(shapes: Mapping[str, Shape], conditions: Conditions, share: float) -> Sequence[Curve]:
    """A curve for each shape."""
    return [curve(shape, conditions, share) for shape in shapes.values()]

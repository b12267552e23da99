"""KV groups: the layers of a model whose caches have one kind and size, and how a pool of blocks holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FULL, SLIDING, MLA = "full", "sliding", "mla"


@dataclass(frozen=True)
class LayerGroup:
    """Layers that cache the same for a token.

    `kind`: `full` (K and V of every token), `sliding` (K and V of the last `window` tokens), `mla` (one latent vector
    and the rotary part of the key for every token). `elements` are those of one token in one layer.
    """

    kind: str
    layers: int
    elements: int
    window: int | None = None

    @property
    def token_elements(self) -> int:
        """Elements of one token in all layers of the group."""
        return self.layers * self.elements

    def stored(self, tokens: int) -> int:
        """Of `tokens` tokens, how many a cache has to keep so that the next one can be computed, in the least form."""
        return tokens if self.window is None else min(tokens, self.window)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> LayerGroup:
        """From the entry of model.json or run.json."""
        return cls(**{name: found[name] for name in ("kind", "layers", "elements", "window")})


Groups = Sequence[LayerGroup]


def token_elements(groups: Groups) -> int:
    """Elements that the model caches for one token, in all layers."""
    return sum(group.token_elements for group in groups)


def slot_elements(groups: Groups) -> int:
    """Elements of a slot, the unit in which the cache is counted.

    With one group, a slot is room for one token in every layer. With several, which keep different tokens, it is room
    for one token in one layer, so that each group holds a whole number of slots.
    """
    return groups[0].token_elements if len(groups) == 1 else math.gcd(*(group.elements for group in groups))


def units(groups: Groups) -> tuple[int, ...]:
    """Slots of one token in each group."""
    return tuple(group.token_elements // slot_elements(groups) for group in groups)


def as_full(groups: Groups) -> tuple[LayerGroup, ...]:
    """The groups of the same model if every layer kept every token; layers that cache equally much become one group."""
    layers: dict[tuple[str, int], int] = {}
    for group in groups:
        key = MLA if group.kind == MLA else FULL, group.elements
        layers[key] = layers.get(key, 0) + group.layers
    return tuple(LayerGroup(kind, count, elements) for (kind, elements), count in layers.items())


@dataclass(frozen=True)
class PagedGroup:
    """Layers that share a block table. `units` are the slots of one token in them, `pages` the pages of a block.

    `ring`: a block is never given back, and a token overwrites the one that has left the window.
    """

    kind: str
    window: int | None
    units: int
    pages: int = 1
    ring: bool = False


@dataclass(frozen=True)
class Paging:
    """The block tables of a model in a pool whose pages have room for one token in `page_units` slots each place.

    With one group of layers, `page_units` is 1 and a page is a block.
    """

    groups: tuple[PagedGroup, ...]
    page_units: int = 1

    @property
    def pages_per_token(self) -> int:
        """Pages that each begun block of tokens takes while no token has left a window."""
        return sum(group.pages for group in self.groups)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Paging:
        """From its form as JSON."""
        return cls(tuple(PagedGroup(**group) for group in found["groups"]), found["page_units"])


WHOLE = PagedGroup(FULL, None, 1)  # every layer, in one block table
ONE_GROUP = Paging((WHOLE,))


def vllm_paging(groups: Groups) -> Paging:
    """vLLM's block tables: groups of equally many layers, whose blocks all come from one pool.

    The number of layers is that of the smallest group of layers, or that of the largest where it is below 1.5 times
    that; a group that has fewer leaves the rest of each page unused. As `_get_kv_cache_groups_uniform_page_size` in
    https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/core/kv_cache_utils.py.

    Raises:
        ValueError: layers differ in what they cache for a token, so that pages would differ in size.
    """
    if len(groups) == 1:
        return Paging((PagedGroup(groups[0].kind, groups[0].window, 1),))
    if len({group.elements for group in groups}) > 1:
        raise ValueError("its layers cache tokens of different sizes")
    smallest, largest = min(g.layers for g in groups), max(g.layers for g in groups)
    most = largest if largest < 1.5 * smallest else smallest
    found = []
    for group in groups:
        tables = -(-group.layers // most)
        layers = [len(range(group.layers)[table::tables]) for table in range(tables)]
        found += [PagedGroup(group.kind, group.window, own) for own in layers]
    return Paging(tuple(found), most)


def hf_paging(groups: Groups) -> Paging:
    """The block tables of Transformers' continuous batching: one a kind of layers, whose blocks have pages of a layer.

    As `group_layers_by_attn_type` in
    https://github.com/huggingface/transformers/blob/v5.19.0/src/transformers/generation/continuous_batching/cache.py.
    """
    if len(groups) == 1:
        return Paging((PagedGroup(groups[0].kind, groups[0].window, 1, 1, groups[0].window is not None),))
    own = units(groups)
    tables = [PagedGroup(g.kind, g.window, n, n, g.window is not None) for g, n in zip(groups, own, strict=True)]
    return Paging(tuple(tables))


def paging_of(engine: str, groups: Groups) -> Paging:
    """The block tables of an engine by its name; one of every layer if the groups are not known (older runs)."""
    if not groups:
        return ONE_GROUP
    return hf_paging(groups) if engine.startswith("hf-") else vllm_paging(groups)

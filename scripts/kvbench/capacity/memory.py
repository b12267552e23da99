"""The memory that cards have left for KV cache beside a model's weights, in bytes, slots and blocks."""

from __future__ import annotations

from dataclasses import dataclass

from kvbench.capacity.shapes import Shape
from kvbench.errors import UserError
from kvbench.kv.groups import Paging, slot_elements, vllm_paging
from kvbench.model.slots import cache_itemsize, itemsize

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """A card: its memory, the share of it that serving may use, and the share of it kept for activations."""

    name: str
    memory_gib: float
    memory_fraction: float
    activation_reserve: float

    @property
    def memory_bytes(self) -> int:
        """All of its memory."""
        return round(self.memory_gib * GIB)

    @property
    def reserve_bytes(self) -> int:
        """Bytes kept for activations."""
        return round(self.memory_bytes * self.activation_reserve)

    @property
    def usable_bytes(self) -> int:
        """Bytes for weights and KV cache."""
        return round(self.memory_bytes * self.memory_fraction) - self.reserve_bytes


@dataclass(frozen=True)
class Room:
    """The memory for KV cache on `cards` cards that share a model, whose cache is of type `kv_dtype`."""

    shape: Shape
    dtype: str
    card: Card
    cards: int
    kv_dtype: str = "auto"

    @property
    def kv_itemsize(self) -> int:
        """Bytes of an element of the cache."""
        return cache_itemsize(self.kv_dtype, self.dtype)

    @property
    def slot_bytes(self) -> int:
        """Elements of a token in all layers (several KV groups: in one layer) · bytes an element."""
        return slot_elements(self.shape.groups) * self.kv_itemsize

    @property
    def paging(self) -> Paging:
        """vLLM's block tables of the model; ValueError if its layers cache tokens of different sizes."""
        return vllm_paging(self.shape.groups)

    @property
    def weights_bytes(self) -> int:
        """Parameters · bytes per element."""
        return self.shape.parameters * itemsize(self.dtype)

    @property
    def kv_bytes(self) -> int:
        """Bytes that the weights leave; negative if the weights do not fit."""
        return self.cards * self.card.usable_bytes - self.weights_bytes

    @property
    def slots(self) -> int:
        """Whole slots; 0 if the weights do not fit."""
        return max(0, self.kv_bytes) // self.slot_bytes

    def block_bytes(self, block_size: int) -> int:
        """Bytes of a block of `block_size` tokens: with several KV groups, a page that any of them may hold."""
        return block_size * self.paging.page_units * self.slot_bytes

    def blocks(self, block_size: int) -> int:
        """Whole blocks of `block_size` tokens."""
        return max(0, self.kv_bytes) // self.block_bytes(block_size)


def cards_for_weights(shape: Shape, dtype: str, card: Card) -> int:
    """The fewest cards whose usable memory is more than the weights."""
    return shape.parameters * itemsize(dtype) // card.usable_bytes + 1


def require_weights_fit(room: Room, at: str) -> None:
    """UserError if the weights do not fit; it names the number of cards that would hold them."""
    needed = cards_for_weights(room.shape, room.dtype, room.card)
    if room.cards < needed:
        have = f"{room.cards} x {room.card.name}" if room.cards > 1 else room.card.name
        raise UserError(
            f"config.yaml: {at}.cards_per_model: the weights of {room.shape.label} in {room.dtype} "
            f"({room.weights_bytes / GIB:.1f} GiB) do not fit on {have}, where weights and KV cache may use "
            f"{room.cards * room.card.usable_bytes / GIB:.1f} GiB; they need {needed} cards: set it to {needed} or more"
        )

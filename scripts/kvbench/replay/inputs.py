"""The inputs of a replay: a trace of requests, a pool, a policy and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.errors import UserError
from kvbench.kv.contiguous import longest_row
from kvbench.kv.policies import RESERVING
from kvbench.kv.reservation import reserved_for
from kvbench.replay.step_time import NO_TIME, StepTime
from kvbench.replay.texts import groups_sorted, keys_of, prompts_sorted, unshared
from kvbench.workload.request_file import LATEST_S

if TYPE_CHECKING:
    import pyarrow as pa

    from kvbench.workload.selection import FileCounts

LARGEST = 1 << 31
ONE_GROUP = (0,)  # the windows of a model that has full attention in every layer


@dataclass(frozen=True)
class Trace:
    """R requests in order of arrival. Create it with `Trace.of`, which checks and converts."""

    prompt_tokens: NDArray[np.int64]  # (R,)
    output_tokens: NDArray[np.int64]  # (R,)
    arrival_ns: NDArray[np.int64]  # (R,)
    text_order: NDArray[np.int64]  # (R,) requests sorted by their prompts' text (`texts.prompts_sorted`)
    common_tokens: NDArray[np.int64]  # (R,) in that order: length of the common prefix with the previous prompt
    file: FileCounts | None = None  # counts of the file that a scenario's requests come from

    @classmethod
    def of(
        cls,
        prompt_tokens: ArrayLike,
        output_tokens: ArrayLike,
        arrival_s: ArrayLike | None = None,
        group: ArrayLike | None = None,
        prefix_tokens: ArrayLike | None = None,
    ) -> Trace:
        """A trace from arrays of equal length, in tokens and seconds; without arrivals every request arrives at 0.

        The first `prefix_tokens` tokens of a prompt are the text of its `group` (-1: none); the rest is unique to it.

        Raises:
            UserError: no requests, lengths below 1 or above 2^31 - 1 together, arrivals that are negative, not finite
                or out of order, a prefix longer than its prompt.
        """
        prompt, output = _tokens("prompt_tokens", prompt_tokens, 1), _tokens("output_tokens", output_tokens, 1)
        if not prompt.size:
            raise UserError("replay: the trace has no requests; give at least one")
        count = prompt.size
        arrivals = np.zeros(count, np.int64) if arrival_s is None else _arrivals(arrival_s)
        groups = None if group is None else _tokens("group", group, -1)
        prefix = None if prefix_tokens is None else _tokens("prefix_tokens", prefix_tokens, 0)
        named = {"output_tokens": output, "arrival_s": arrivals, "group": groups, "prefix_tokens": prefix}
        for name, values in named.items():
            if values is not None and values.size != count:
                raise UserError(f"replay: {name} has {values.size} entries for {count} requests; give one for each")
        if (long := np.flatnonzero(prompt + output >= LARGEST)).size:
            raise UserError(f"replay: request {long[0]} has more than {LARGEST - 1} tokens; shorten it")
        if prefix is not None and (long := np.flatnonzero(prefix > prompt)).size:
            raise UserError(f"replay: prefix_tokens of request {long[0]} is longer than its prompt; shorten it")
        if groups is None or prefix is None:
            return cls(prompt, output, arrivals, *unshared(count))
        return cls(prompt, output, arrivals, *groups_sorted(groups, prefix))

    @classmethod
    def from_table(cls, table: pa.Table, *, prefix_sharing: bool = False) -> Trace:
        """A trace with the lengths and arrivals of a workload file, columns of `records.WORKLOAD`.

        With `prefix_sharing`, common prefixes are found from the token ids; otherwise nothing is shared.
        """
        from kvbench.workload.table import lengths_of

        trace = cls.of(*lengths_of(table), table["arrival_s"].to_numpy())
        return trace.with_texts(keys_of(table["prompt_token_ids"])) if prefix_sharing else trace

    def with_texts(self, keys: Sequence[bytes], prefix_tokens: int = 0) -> Trace:
        """The trace with common prefixes found from `keys` (`texts.text_key`), after `prefix_tokens` common to all."""
        order, common = prompts_sorted(keys, prefix_tokens)
        return replace(self, text_order=order, common_tokens=common)

    @property
    def final_tokens(self) -> NDArray[np.int64]:
        """Tokens in the KV cache at the end: the last generated token is never stored."""
        return self.prompt_tokens + self.output_tokens - 1

    def __len__(self) -> int:
        return len(self.prompt_tokens)


@dataclass(frozen=True)
class Settings:
    """One policy, its pool and the scheduler's limits.

    `max_running` is vLLM's max_num_seqs (rows of a padded batch), `max_step_tokens` its max_num_batched_tokens,
    `long_prefill_tokens` its long_prefill_token_threshold (0: none), `prompt_must_fit` its
    scheduler_reserve_full_isl. Padded batches run whole prompts and use only `max_running`.

    KV cache groups share one pool of blocks of one size. With several, a slot is room for a token in the layers of one
    group: `pool_slots` is the pool's bytes over the bytes of such a slot.
    """

    policy: str
    pool_slots: int
    max_running: int = 256
    max_step_tokens: int = 2048
    max_length: int | None = None  # longest prompt + output; what reserve-max and hf-static reserve
    max_context: int | None = None  # hf-batch: longest padded row, the model's positions; None: max_length
    block_size: int = 16  # paged; for hf-static, rows of max_length are rounded up to it
    prefix_sharing: bool = False  # paged: cached blocks are reused
    allocator: str = "buddy"  # of the reserving policies
    long_prefill_tokens: int = 0
    watermark_blocks: int = 0  # paged: blocks kept free when a request is admitted beside running ones
    prompt_must_fit: bool = True  # paged: admit a request only if blocks for all its known tokens are free
    reserves: str | None = None  # paged: admit a request only if its reservation under this policy fits beside others'
    windows: tuple[int, ...] = ONE_GROUP  # paged: of each KV cache group in tokens, 0: full attention
    async_scheduling: bool = False  # paged: a step is scheduled while the one before is computed
    step_time: StepTime = NO_TIME

    @property
    def longest_row(self) -> int:
        """Tokens that a row of a padded batch may reach (`kv.contiguous.longest_row`)."""
        return longest_row(self.max_length or LARGEST, self.max_context, static=self.policy == "hf-static")

    @property
    def pool_blocks(self) -> int:
        """Whole blocks of the pool."""
        return self.pool_slots // self.block_size

    @property
    def row_slots(self) -> int:
        """Slots that hf-static's budget counts per row."""
        return -(-(self.max_length or 0) // self.block_size) * self.block_size


def reservation(trace: Trace, settings: Settings) -> NDArray[np.int64]:
    """Slots that each request needs in an empty pool, shape (R,), before any rounding by the allocator."""
    if settings.policy in RESERVING:
        lengths = trace.prompt_tokens, trace.output_tokens
        return reserved_for(settings.policy, *lengths, settings.max_length or LARGEST)
    if settings.policy == "hf-static":
        return np.full(len(trace), settings.row_slots, np.int64)
    if settings.policy == "paged":
        needed = -(-trace.final_tokens // settings.block_size)
        return sum(np.minimum(needed, most) for most in admitted_blocks(settings)) * settings.block_size
    return trace.final_tokens


def admitted_blocks(settings: Settings) -> list[int]:
    """Blocks that `paged` counts at most for a request at admission, for each group.

    A full group holds every block of a request. A sliding one holds its window and what a step computes, in one block
    more than that fills, since a window may begin anywhere in a block (`max_admission_blocks_per_request` of vLLM's
    SlidingWindowSpec).
    """
    longest = settings.max_length or LARGEST
    held = [min(window - 1 + settings.max_step_tokens, longest) for window in settings.windows]
    return [
        -(-tokens // settings.block_size) + 1 if window else LARGEST
        for window, tokens in zip(settings.windows, held, strict=True)
    ]


def reserved_blocks(trace: Trace, settings: Settings) -> NDArray[np.int64]:
    """Blocks that `paged` reserves for each request at admission, shape (R,); zeros if it reserves none."""
    if settings.reserves is None:
        return np.zeros(len(trace), np.int64)
    return -(-reservation(trace, replace(settings, policy=settings.reserves)) // settings.block_size)


def _tokens(name: str, values: ArrayLike, least: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise UserError(f"replay: {name} is not a list of whole numbers; give one for each request")
    if (wrong := np.flatnonzero((array < least) | (array >= LARGEST))).size:
        at = wrong[0]
        raise UserError(f"replay: {name} of request {at} is {array[at]}; give {least} to {LARGEST - 1}")
    return array.astype(np.int64)


def _arrivals(arrival_s: ArrayLike) -> NDArray[np.int64]:
    seconds = np.asarray(arrival_s, float)
    if seconds.ndim != 1 or (wrong := np.flatnonzero(~((seconds >= 0) & (seconds <= LATEST_S)))).size:
        where = f" of request {wrong[0]} is {seconds[wrong[0]]}" if seconds.ndim == 1 else " is not a list"
        raise UserError(f"replay: arrival_s{where}; give seconds from 0 to {LATEST_S:g}")
    if (late := np.flatnonzero(np.diff(seconds) < 0)).size:
        at = late[0] + 1
        raise UserError(
            f"replay: the trace is out of order: request {at} arrives at {seconds[at]:g} s, the previous one at "
            f"{seconds[at - 1]:g} s; sort it by arrival_s"
        )
    return np.rint(seconds * 1e9).astype(np.int64)

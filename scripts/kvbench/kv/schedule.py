"""What a paged engine's scheduler did in each step, in compact arrays.

`engines.schedule_log` fills them in the engine's process; `kv.paged` rebuilds the slots from them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.groups import ONE_GROUP, Paging

# Kinds of event; each takes effect before the sample of its step.
ADMITTED, PREEMPTED, FREED = 0, 1, 2

SAME_AS_BEFORE = -1


def _none() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Schedule:
    """The schedule of one pass.

    S steps, R requests in order of first admission, E events, D dumped entries, B rows of block ids. Blocks are pages
    where a model has several KV groups (`kv.groups.Paging`).
    """

    t_ns: NDArray[np.int64]  # (S,) CLOCK_MONOTONIC after schedule()
    free_blocks: NDArray[np.int32]  # (S,)
    running: NDArray[np.int32]  # (S,)
    waiting: NDArray[np.int32]  # (S,)
    scheduled_tokens: NDArray[np.int32]  # (S,) sum over requests
    dump_length: NDArray[np.int32]  # (S,) entries in the dump; SAME_AS_BEFORE: the last dump's requests, one token each
    dump_request: NDArray[np.int32]  # (D,) request index
    dump_tokens: NDArray[np.int32]  # (D,) tokens scheduled for it in that step
    event_step: NDArray[np.int32]  # (E,)
    event_kind: NDArray[np.int8]  # (E,)
    event_request: NDArray[np.int32]  # (E,)
    event_tokens: NDArray[np.int32]  # (E,) computed tokens that an admitted request starts with (prefix hits)
    request_ids: NDArray[np.str_]  # (R,) the engine's own ids
    block_step: NDArray[np.int32]  # (B,) steps at which block ids were read
    block_request: NDArray[np.int32]  # (B,)
    block_tokens: NDArray[np.int32]  # (B,) the request's computed tokens by the engine's own count
    block_length: NDArray[np.int32]  # (B,)
    block_group: NDArray[np.int32]  # (B,) index of the block table
    block_ids: NDArray[np.int32]  # (sum of block_length,)
    end_ns: int  # when all requests had ended
    end_free_blocks: int
    end_requests: int  # requests that the scheduler still knew then
    total_blocks: int  # usable blocks of the pool
    block_size: int
    hook_s: float  # time spent recording
    paging: Paging = ONE_GROUP
    # (S,) steps that were scheduled and whose tokens the scheduler had not yet seen; (0,) if it never runs ahead
    unsettled: NDArray[np.int32] = field(default_factory=_none)
    # Host time in the untimed pass of vLLM that takes it, shape (S,); (0,) in all other passes.
    allocate_ns: NDArray[np.int64] = field(default_factory=_none)  # to allocate and free blocks since last sample
    tables_ns: NDArray[np.int64] = field(default_factory=_none)  # for the worker's block tables of this step
    recording_ns: NDArray[np.int64] = field(default_factory=_none)  # to record this sample

    def save(self, path: Path) -> None:
        """Write as .npz, completely or not at all."""
        temporary = path.with_suffix(".tmp.npz")
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "paging"}
        np.savez(temporary, paging=json.dumps(asdict(self.paging)), **arrays)
        temporary.replace(path)

    @property
    def pool_slots(self) -> int:
        """Slots of the pool."""
        return self.total_blocks * self.block_size * self.paging.page_units

    def submission_order(self) -> NDArray[np.int64]:
        """Position of each request in order of submission, shape (R,), from the number that begins its id."""
        numbers = np.array([int(name.split("-")[0]) for name in self.request_ids], np.int64)
        return numbers - numbers.min()

    def preemptions(self) -> NDArray[np.int64]:
        """Preemptions of each request, shape (R,), in order of submission."""
        preempted = self.event_request[self.event_kind == PREEMPTED]
        return np.bincount(self.submission_order()[preempted], minlength=len(self.request_ids))

    def cached_tokens(self) -> NDArray[np.int64]:
        """Prefix hits of each request at its first admission, in tokens, shape (R,), in order of submission."""
        admitted = np.flatnonzero(self.event_kind == ADMITTED)
        requests, first = np.unique(self.event_request[admitted], return_index=True)
        found = np.zeros(len(self.request_ids), np.int64)
        found[self.submission_order()[requests]] = self.event_tokens[admitted[first]]
        return found

    @classmethod
    def load(cls, path: Path) -> Schedule:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        given = {name: value.item() if value.ndim == 0 else value for name, value in arrays.items()}
        return cls(**given | {"paging": Paging.of(json.loads(given["paging"]))})

"""Times of GPU calls by CUDA events, taken in turn, each with a cold L2 cache."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch

from kvbench.errors import UserError

WARM_UP = 3
# A host may be interrupted in a round; only after so many rounds in a row is the flush too short for it.
EXCEPTIONS, ATTEMPTS, MOST_FLUSHES = 3, 60, 64


class Flush:
    """Overwrites a buffer larger than the L2 cache, as the weights and caches of other layers do in an engine.

    It also keeps the GPU busy while the host prepares the next call. If the GPU were idle by then, the time between the
    two events would contain the host's; `timed` notices that, and `more` makes the flush longer.
    """

    def __init__(self, device: str = "cuda") -> None:
        l2_bytes = torch.cuda.get_device_properties(device).L2_cache_size
        self.buffer = torch.empty(2 * l2_bytes, dtype=torch.uint8, device=device)
        self.times = 1

    def __call__(self) -> None:
        for _ in range(self.times):
            self.buffer.zero_()

    def more(self) -> None:
        self.times = min(2 * self.times, MOST_FLUSHES)


def interleaved(calls: Sequence[Callable[[], object]], rounds: int, seed: int, flush: Flush) -> np.ndarray:
    """Seconds of each call in each round: [rounds, calls]; every round takes the calls in another order.

    A round in which the host was late is taken again, with a longer flush if that was no exception. UserError if the
    host is late every time.
    """
    for call in calls:
        for _ in range(WARM_UP):
            call()
    order, shuffle = list(range(len(calls))), random.Random(seed)
    found = np.empty((rounds, len(calls)))
    for number in range(rounds):
        shuffle.shuffle(order)
        found[number, order] = _in_time(calls, order, flush)
    return found


def _in_time(calls: Sequence[Callable[[], object]], order: Sequence[int], flush: Flush) -> list[float]:
    """Seconds of the calls in the first round in which the host was not late."""
    for attempt in range(1, ATTEMPTS + 1):
        seconds = _round(calls, order, flush)
        if seconds is not None:
            return seconds
        if attempt % EXCEPTIONS == 0:
            flush.more()
    raise UserError(
        "measure_paging_price: the host launches kernels more slowly than the GPU runs them, so that their times would "
        "contain the host's; run again when nothing else uses the CPUs"
    )


def _round(calls: Sequence[Callable[[], object]], order: Sequence[int], flush: Flush) -> list[float] | None:
    """Seconds of the calls in this order; None if the GPU reached one of them before the host had launched it."""
    torch.cuda.synchronize()
    events, late = [], False
    for number in order:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        flush()
        begin.record()
        calls[number]()
        end.record()
        late = late or begin.query()
        events.append((begin, end))
    torch.cuda.synchronize()
    return None if late else [begin.elapsed_time(end) / 1e3 for begin, end in events]

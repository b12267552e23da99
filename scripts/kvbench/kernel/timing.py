"""Times of GPU calls by CUDA events, taken in turn, each with a cold L2 cache."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch

WARM_UP = 3
MOST_FLUSHES = 64


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
        self.times *= 2


def interleaved(calls: Sequence[Callable[[], object]], rounds: int, seed: int, flush: Flush) -> np.ndarray:
    """Seconds of each call in each round: [rounds, calls]; every round takes the calls in another order.

    Rounds in which the host was late are taken again with a longer flush.
    """
    for call in calls:
        for _ in range(WARM_UP):
            call()
    order, shuffle = list(range(len(calls))), random.Random(seed)
    found = np.empty((rounds, len(calls)))
    for number in range(rounds):
        shuffle.shuffle(order)
        while (seconds := _round(calls, order, flush)) is None:
            flush.more()
            if flush.times > MOST_FLUSHES:
                raise RuntimeError("the host cannot launch kernels as fast as the GPU runs them")
        found[number, order] = seconds
    return found


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

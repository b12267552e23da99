"""The copy bandwidth of this machine's memory: the upper limit for a decode step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

# Far larger than any cache: an H100's holds 50 MB, a server CPU's some hundreds.
BUFFER_BYTES = {"cpu": 1 << 29, "cuda": 1 << 31}
SHARE_OF_FREE = 8  # a buffer takes at most one part in so many of free memory
COPIES, WARM_UP = {"cpu": 12, "cuda": 30}, 3


def copy_bandwidth(device: str, threads: int | None, gpu_ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Bytes read and written per second when torch copies between two buffers, for each GPU or for the CPU.

    `gpu` is torch's number, None for a CPU, and `gpu_id` that of `gpu_ids`, in torch's order; `bytes_per_s` is the
    median of `copies` copies, given with their range.
    """
    import torch

    if device == "cpu":
        torch.set_num_threads(threads)
        return [_measured(None, _copy_times("cpu", "cpu"))]
    ids = dict(enumerate(gpu_ids))
    return [
        _measured(gpu, _copy_times("cuda", f"cuda:{gpu}")) | {"gpu_id": ids.get(gpu)}
        for gpu in range(torch.cuda.device_count())
    ]


def _copy_times(kind: str, device: str) -> tuple[int, np.ndarray]:
    """Bytes of a buffer and the seconds of each copy, the first few discarded."""
    import torch

    size = min(BUFFER_BYTES[kind], _free_bytes(device) // SHARE_OF_FREE)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = [_one_copy(source, target) for _ in range(WARM_UP + COPIES[kind])]
    return size, np.array(seconds[WARM_UP:])


def _one_copy(source: Any, target: Any) -> float:
    import torch

    if not source.is_cuda:
        begin = time.perf_counter()
        target.copy_(source)
        return time.perf_counter() - begin
    with torch.cuda.device(source.device):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        target.copy_(source)
        end.record()
        end.synchronize()
    return begin.elapsed_time(end) / 1e3


def _free_bytes(device: str) -> int:
    if device == "cpu":
        import psutil

        return psutil.virtual_memory().available
    import torch

    return torch.cuda.mem_get_info(device)[0]


def _measured(gpu: int | None, copies: tuple[int, np.ndarray]) -> dict[str, Any]:
    size, seconds = copies
    moved = 2 * size / seconds
    found = {"bytes_per_s": np.median(moved), "bytes_per_s_min": moved.min(), "bytes_per_s_max": moved.max()}
    return {"gpu": gpu, "buffer_bytes": size, "copies": len(seconds), **{name: float(v) for name, v in found.items()}}

"""The GPUs that a run uses: those that CUDA shows, in its order, and free of other programs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence, Set
from contextlib import suppress
from typing import IO

import psutil

from kvbench.errors import UserError
from kvbench.lifetime import link
from kvbench.machine.nvml import GpuProcess, GpuSample, Session
from kvbench.machine.processes import process_ids
from kvbench.machine.turns import lock_file, try_lock

# A process that has just ended may still be listed for a moment.
PATIENCE_S = 10.0
POLL_S = 0.5

# Locks on the GPUs that this process holds; released when it ends.
_held: list[IO[str]] = []


def hold_cards(
    session: Session,
    count: int,
    tell: Callable[[str], None],
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Let CUDA show only the first `count` GPUs that no other job of ours holds, once there are as many.

    The process and its children hold them until the process ends. `tell` gets a line if there is a wait. Call it
    before torch is loaded. UserError as in `choose_cards`.
    """
    in_nvml_order(environment)
    shown = _shown(session, count, environment)
    if not (held := _lock(shown, count)):
        tell(f"waiting for {'a GPU' if count == 1 else f'{count} GPUs'}: other jobs on this machine hold them")
    with link.waiting():
        while not held:
            time.sleep(POLL_S)
            held = _lock(shown, count)
    environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(card.index) for card in held)


def in_nvml_order(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let CUDA number the cards as NVML does, unless the user has chosen an order."""
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def _lock(cards: Sequence[GpuSample], count: int) -> list[GpuSample]:
    """Lock and return the first `count` cards whose locks are free; lock none if there are fewer."""
    free: list[tuple[GpuSample, IO[str]]] = []
    for card in cards:
        file = lock_file(f"card-{card.uuid}")
        if len(free) < count and try_lock(file):
            free.append((card, file))
        else:
            file.close()
    if len(free) < count:
        for _, file in free:
            file.close()
        return []
    _held.extend(file for _, file in free)
    return [card for card, _ in free]


def choose_cards(session: Session, count: int | None, environment: Mapping[str, str] = os.environ) -> list[GpuSample]:
    """A sample of each of the first `count` GPUs visible to CUDA, UserError if there are fewer; None: of all."""
    return _shown(session, count or 0, environment)[:count]


def _shown(session: Session, least: int, environment: Mapping[str, str]) -> list[GpuSample]:
    """A sample of each GPU visible to CUDA; UserError if there are fewer than `least`."""
    shown = visible(session.gpus(), environment.get("CUDA_VISIBLE_DEVICES"))
    if len(shown) < least:
        have = f"{len(shown)} GPU{'s' * (len(shown) != 1)}"
        raise UserError(
            f"config.yaml: gpus: {least} requested, but only {have} available; lower gpus, or check "
            "CUDA_VISIBLE_DEVICES and the driver (nvidia-smi)"
        )
    return shown


def visible(gpus: Sequence[GpuSample], wish: str | None) -> list[GpuSample]:
    """The GPUs in CUDA_VISIBLE_DEVICES: numbers in PCI order or UUIDs, up to the first that does not exist."""
    if wish is None:
        return list(gpus)
    shown: list[GpuSample] = []
    for name in filter(None, map(str.strip, wish.split(","))):
        found = [gpu for gpu in gpus if _is_called(gpu, name)]
        if not found:
            break
        shown.append(found[0])
    return shown


def _is_called(gpu: GpuSample, name: str) -> bool:
    return gpu.index == int(name) if name.isdigit() else len(name) > 4 and gpu.uuid.startswith(name)


def refuse_others(
    session: Session,
    count: int,
    *,
    allow: bool,
    wait: Callable[[float], None] = time.sleep,
    patience_s: float = PATIENCE_S,
) -> list[dict[str, object]]:
    """Other programs on the run's cards, with gpu, pid, command and bytes, after giving them time to end.

    Without `allow` they are a UserError that names them: their work and memory would be measured as ours.
    """
    waited = 0.0
    while (others := _others(choose_cards(session, count), set(process_ids()))) and not allow and waited < patience_s:
        wait(POLL_S)
        waited += POLL_S
    if others and not allow:
        named = "; ".join(_in_words(other) for other in others)
        raise UserError(
            f"device: {named}; stop it, choose another GPU with CUDA_VISIBLE_DEVICES, or set shared_gpu: true in "
            "config.yaml to measure anyway"
        )
    return others


def _others(cards: Sequence[GpuSample], ours: Set[int]) -> list[dict[str, object]]:
    return [
        {"gpu": card.index, "name": card.name, "pid": p.pid, "command": command(p), "used_bytes": p.used_bytes}
        for card in cards
        for p in card.processes or ()
        if p.pid not in ours
    ]


def command(process: GpuProcess) -> str | None:
    """The process's command line; None where it cannot be seen, as from inside a container."""
    with suppress(psutil.Error):
        return " ".join(psutil.Process(process.pid).cmdline())[:80] or None
    return None


def _in_words(other: Mapping[str, object]) -> str:
    used = other["used_bytes"]
    held = "memory" if used is None else f"{used / 2**20:.0f} MiB"  # type: ignore[operator]
    what = other["command"] or "not visible from here"
    return f"GPU {other['gpu']} ({other['name']}): process {other['pid']} ({what}) holds {held}"

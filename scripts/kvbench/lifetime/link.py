"""What a job tells its warden: the phase that it is in, its limit, and the processes that it cannot do without.

Outside of Snakemake there is no warden, and nobody is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from kvbench.errors import UserError
from kvbench.lifetime.forking import undivided

PHASE, LIMIT, WAIT, GO, WATCH, UNWATCH = "phase", "limit", "wait", "go", "watch", "unwatch"
STARTING, STARTED = "starting", "started"

ENDING_S = 1.0  # for a process that has told of its failure to end
KEEPER_S = 10.0  # for who watches over the job to end it

_send: Callable[[str], None] | None = None
_watched: dict[int, str] = {}


def connect(send: Callable[[str], None] | None) -> None:
    """Send what is told from now on to a warden, one line at a time; None: to nobody."""
    global _send
    _send = send


def phase(name: str) -> None:
    """The job has entered a phase."""
    _tell(f"{PHASE} {name}")


def limit(seconds: float) -> None:
    """The work planned takes at most so long, counted from the job's start; a limit that the user set stays."""
    _tell(f"{LIMIT} {seconds:.0f}")


def waiting() -> AbstractContextManager[None]:
    """Time in the block does not count, since the job waits for others."""
    return _between(WAIT, GO)


def starting() -> AbstractContextManager[None]:
    """In the block an engine starts in processes of its own; the job ends with one line if they do nothing for long."""
    return _between(STARTING, STARTED)


@contextmanager
def _between(begin: str, end: str) -> Iterator[None]:
    _tell(begin)
    try:
        yield
    finally:
        _tell(end)


def watch(processes: dict[int, str]) -> None:
    """From now on the job ends with one line if a process, given by its number and name, ends.

    A library may wait without end for the answer of a process that has been killed.
    """
    _watched.update(processes)
    for pid, name in processes.items():
        _tell(f"{WATCH} {pid} {name}")


def unwatch() -> None:
    """The processes watched may end."""
    _watched.clear()
    _tell(UNWATCH)


def watched() -> dict[int, str]:
    """The names of the processes watched, by their numbers."""
    return dict(_watched)


@contextmanager
def deferring() -> Iterator[None]:
    """Have an exception of the block wait, if one of the processes watched has ended and it only follows from that.

    Who watches over the job then ends it, and tells which process it was. A UserError has its own reason.
    """
    try:
        yield
    except UserError:
        raise
    except Exception:
        _wait_for_end()
        raise


def _wait_for_end() -> None:
    end = time.monotonic() + ENDING_S
    while _send is not None and _watched and time.monotonic() < end:
        if not all(map(lives, _watched)):
            time.sleep(KEEPER_S)
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process has not ended."""
    import psutil

    with suppress(psutil.Error), undivided:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _tell(line: str) -> None:
    if _send is not None:
        _send(line)

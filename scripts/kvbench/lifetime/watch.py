"""Ends a job in time where the system has no means for a warden: a thread of the job looks every second."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from kvbench.lifetime import idle, link, scratch
from kvbench.lifetime.order import Order
from kvbench.lifetime.parents import exit_when_terminated
from kvbench.lifetime.told import Told

PERIOD_S = 1.0
GRACE_S = 20.0


def keep(order: Order) -> None:
    """Begin to watch this process; unlike a warden, the thread cannot act while the job is stopped."""
    exit_when_terminated()
    if (folder := scratch.make()) is not None:
        scratch.use(folder)
    told = Told(time.monotonic(), order.given_s, order.limit_s)
    link.connect(lambda line: told.take(line, time.monotonic()))
    threading.Thread(target=_watch, args=(order, told), name="kvbench-watch", daemon=True).start()


def reason_to_end(order: Order, told: Told, engine: idle.Idle, now: float) -> str | None:
    """The line with which the job has to end now; None while it may go on."""
    if not link.lives(order.caller):
        return "ended, because its Snakemake has ended; run make unlock, then the same command to go on"
    for pid, name in told.watched.items():
        if not link.lives(pid):
            return order.lost(name, pid, told.phase)
    if told.left_s(now) <= 0:
        return order.too_long(told.limit_s, told.phase)
    return order.stands_still(idle.STILL_S, told.phase) if engine.stands_still(told.starting, now) else None


def _watch(order: Order, told: Told) -> None:
    engine = idle.Idle(os.getpid())
    while not (line := reason_to_end(order, told, engine, time.monotonic())):
        time.sleep(PERIOD_S)
    time.sleep(PERIOD_S)  # for a job that can tell itself why one of its processes has ended
    order.say(line)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os._exit(1)

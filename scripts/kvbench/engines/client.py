"""The client of an open loop: it submits each request when it is due, however busy the engine is."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

# Seconds for which the interpreter lets a thread run on while another wants to: the client must not wait for more.
SWITCH_S = 0.0005
LONG_S = 3600.0


class Client(AbstractContextManager):
    """Submits requests from a thread of its own while the `with` block serves them.

    `due_ns` are absolute times on CLOCK_MONOTONIC, shape (R,), not decreasing. By default a request is handed over as
    its number, in a queue that `arrived` empties; `hand_over` may submit it in another way. `submitted_ns` has the time
    of each hand-over.
    """

    def __init__(self, due_ns: Sequence[int], hand_over: Callable[[int], None] | None = None) -> None:
        self.due_ns = due_ns
        self.submitted_ns: list[int] = []
        self.inbox: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.hand_over = hand_over or self.inbox.put
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._submit_all, name="kvbench-client", daemon=True)

    def __enter__(self) -> Client:
        self.switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """Stop submitting; raise what went wrong in the client's thread unless the block itself failed."""
        self.ended.set()
        self.thread.join()
        sys.setswitchinterval(self.switch_s)
        if self.error is not None and kind is None:
            raise self.error

    def arrived(self, *, wait: bool) -> list[int]:
        """Numbers of the requests submitted since the last call, in order; `wait`: at least one, unless none is left.

        Raises what went wrong in the client's thread.
        """
        found = [self.inbox.get(timeout=LONG_S)] if wait else []
        while not self.inbox.empty():
            found.append(self.inbox.get())
        if None in found:
            if self.error is not None:
                raise self.error
            found.remove(None)
        return found

    def _submit_all(self) -> None:
        try:
            for number, due in enumerate(self.due_ns):
                if self.ended.wait(max(0, due - time.monotonic_ns()) / 1e9):
                    return
                self.submitted_ns.append(time.monotonic_ns())
                self.hand_over(number)
        except BaseException as error:
            self.error = error
        finally:
            self.inbox.put(None)

"""The warden of a job: the process that Snakemake started. It forks the job, ends it in time, and cleans up after it.

A thread of the job could not do this: it does not run while the job is stopped or holds the interpreter's lock, and
ends when the job is killed. Linux gives the warden the job's orphans (PR_SET_CHILD_SUBREAPER), so that nothing that the
job started outlives it, and tells it of the ends of other processes at once (pidfd_open).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from kvbench.lifetime import idle, link, scratch
from kvbench.lifetime.order import KEPT, Order
from kvbench.lifetime.parents import end_with_parent, exit_when_terminated
from kvbench.lifetime.told import Told

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 20.0  # from SIGTERM to SIGKILL; vLLM's engine is given 5 s to end by its own library
LOST_S = 2.0  # for a job to tell itself why one of its processes has ended
ORPHANS_S = 3.0  # for what is left after the job, such as the helper of Python that removes shared memory
LONGEST_POLL_S = 60.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def available() -> bool:
    """Whether this system has what a warden needs."""
    with suppress(AttributeError, OSError):
        os.close(os.pidfd_open(os.getpid()))  # Linux 5.3
        return True
    return False


def keep(order: Order) -> None:
    """Fork: the child returns and does the job; the parent becomes its warden and exits with its code."""
    folder = scratch.make()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    # From here on a signal is one for the warden, which has not begun: it waits in this pipe.
    waking, wakened = os.pipe()
    for end in (reading, writing, waking, wakened):
        os.set_blocking(end, False)
    warden = os.getpid()
    before = {number: signal.signal(number, lambda *_: None) for number in (*ENDING, signal.SIGCHLD)}
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # libraries have threads, which wait for work
        child = os.fork()
    if child:
        os.close(writing)
        Warden(order, child, reading, waking, folder).run()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    for end in (reading, waking, wakened):
        os.close(end)
    _begin(warden, writing, folder)


def _begin(warden: int, writing: int, folder: Path | None) -> None:
    """Prepare the forked process for the job: its own group and temporary folder, and its end with the warden."""
    os.setpgid(0, 0)  # Ctrl-C is for the warden, who ends all in order
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a progress bar from the background
    exit_when_terminated()
    end_with_parent(warden)
    if folder is not None:
        scratch.use(folder)

    def send(line: str) -> None:
        with suppress(OSError):  # full, or the warden is gone
            os.write(writing, f"{line}\n".encode())

    link.connect(send)


class Warden:
    """Watches one job; `run` does not return."""

    def __init__(self, order: Order, child: int, reading: int, waking: int, folder: Path | None) -> None:
        self.order, self.child, self.folder = order, child, folder
        self.told = Told(time.monotonic(), order.given_s, order.limit_s)
        self.job, self.caller = os.pidfd_open(child), _pidfd(order.caller)
        self.reading, self.waking = reading, waking
        self.watched: dict[int, int | None] = {}  # descriptors of processes by their numbers; None: already gone
        self.lost: tuple[int, str, float] | None = None  # number, name and time of the first that has ended
        self.engine = idle.Idle(child)
        self.asked_to_end: float | None = None
        self.code = 1
        self.rest = ""

    def run(self) -> NoReturn:
        """Wait for the end of the job, or bring it about; then leave nothing of it."""
        try:
            while not self._ended():
                self._look(self._poll())
        finally:
            code = self._reap()
            scratch.remove(self.folder)
            sys.stderr.flush()
            os._exit(code)

    def _poll(self) -> set[int]:
        poll, now = select.poll(), time.monotonic()
        looked_at, left = [self.job, self.waking], LONGEST_POLL_S
        if self.asked_to_end is not None:
            left = max(self.asked_to_end + GRACE_S - now, 0.1)
        elif self.caller is None:
            left = 0.0
        else:
            looked_at += [self.caller, self.reading]
            left = max(0.0, min(left, self.told.left_s(now), idle.LOOK_S if self.told.starting else left))
            if self.lost is not None:
                left = max(0.0, min(left, self.lost[2] + LOST_S - now))
            elif None in self.watched.values():
                left = 0.0
            else:
                looked_at += self.watched.values()
        for descriptor in looked_at:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(1000 * left)}

    def _ended(self) -> bool:
        return bool(os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def _look(self, ready: set[int]) -> None:
        """See to what has happened; the first reason to end the job is the one that is told."""
        self._reap_orphans()
        numbers = [n for n in os.read(self.waking, 64) if n in ENDING] if self.waking in ready else []
        if self.asked_to_end is not None:
            if time.monotonic() > self.asked_to_end + GRACE_S:
                self._signal(signal.SIGKILL)
            return
        if self.reading in ready:
            self._read()
        told, now = self.told, time.monotonic()
        gone = [pid for pid, descriptor in self.watched.items() if descriptor is None or descriptor in ready]
        if gone and self.lost is None:
            self.lost = gone[0], told.watched[gone[0]], now
        if numbers:
            self._interrupted(signal.Signals(numbers[0]))
        elif self.caller is None or self.caller in ready:
            self._end("ended, because its Snakemake has ended; run make unlock, then the same command to go on")
            Path(sys.argv[0]).unlink(missing_ok=True)  # Snakemake's copy of the script
        elif self.lost is not None and now >= self.lost[2] + LOST_S:
            self._end(self.order.lost(self.lost[1], self.lost[0], told.phase))
        elif told.left_s(now) <= 0:
            self._end(self.order.too_long(told.limit_s, told.phase))
        elif self.engine.stands_still(told.starting, now):
            self._end(self.order.stands_still(idle.STILL_S, told.phase))

    def _reap_orphans(self) -> None:
        """Let go of the processes that have ended after the one of the job that started them."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (found := os.waitid(os.P_ALL, 0, ended)) and found.si_pid != self.child:
            os.waitpid(found.si_pid, 0)

    def _interrupted(self, number: signal.Signals) -> None:
        by, kept = ("", "") if number == signal.SIGINT else (f" by {number.name}", f"; {KEPT}")
        # SIGINT comes from Snakemake, which says for all jobs how to go on.
        self._end(f"interrupted{by} in phase {self.told.phase}{kept}", 128 + number)

    def _read(self) -> None:
        *lines, self.rest = (self.rest + os.read(self.reading, 1 << 16).decode()).split("\n")
        for line in lines:
            self.told.take(line, time.monotonic())
        if not self.told.watched:
            self.lost = None  # it was to end
        for pid in set(self.watched) - set(self.told.watched):
            if (descriptor := self.watched.pop(pid)) is not None:
                os.close(descriptor)
        for pid in set(self.told.watched) - set(self.watched):
            self.watched[pid] = _pidfd(pid)

    def _end(self, line: str, code: int = 1) -> None:
        self.order.say(line)
        print(f"{self.order.label}: {line}", file=sys.stderr)
        self.asked_to_end, self.code = time.monotonic(), code
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the job, and wake what is stopped; SIGKILL goes to all of its group."""
        with suppress(ProcessLookupError):
            os.kill(self.child, number)
        with suppress(ProcessLookupError):
            os.killpg(self.child, number if number == signal.SIGKILL else signal.SIGCONT)

    def _reap(self) -> int:
        """End all that is left of the job; return the code to exit with."""
        with suppress(ProcessLookupError):
            os.killpg(self.child, signal.SIGCONT)
        status = os.waitpid(self.child, 0)[1]
        _end_orphans()
        self.order.remove_partial(self.child)
        if self.asked_to_end is not None:
            return self.code
        if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 128 + signal.SIGTERM:
            return os.waitstatus_to_exitcode(status)
        number = signal.Signals(os.WTERMSIG(status) if os.WIFSIGNALED(status) else signal.SIGTERM)
        self._read_rest()
        line = self.order.killed(number, number.name, self.told.phase)
        self.order.say(line)
        print(f"{self.order.label}: {line}", file=sys.stderr)
        return 128 + number

    def _read_rest(self) -> None:
        with suppress(OSError):
            self._read()


def _pidfd(pid: int) -> int | None:
    """A descriptor that can be read once a process ends; None if it has ended and been reaped."""
    with suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _end_orphans() -> None:
    """Wait a moment for the processes that a job has left, then kill them; they are children of this process now."""
    until = time.monotonic() + ORPHANS_S
    with suppress(ChildProcessError):
        while True:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            if time.monotonic() > until:
                import psutil

                for orphan in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        orphan.kill()
            time.sleep(0.02)

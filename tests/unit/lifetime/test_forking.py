"""Forks beside threads that hold a lock inside a library."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kvbench.lifetime.forking import undivided
from kvbench.machine.nvml import Session
from kvbench.measure.phases import Phases
from kvbench.measure.sampler import Sampler

HELD_S = 0.05
FORKS = 3


class Library:
    """Its calls hold a lock, as NVML's do."""

    def __init__(self) -> None:
        self.lock, self.called = threading.Lock(), threading.Event()

    def call(self) -> None:
        with self.lock:
            self.called.set()
            time.sleep(HELD_S)

    def is_free_in_a_fork(self) -> bool:
        """Fork while a call of another thread holds the lock; whether the new process can take it."""
        self.called.clear()
        assert self.called.wait(10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os._exit(0 if self.lock.acquire(timeout=10 * HELD_S) else 1)
        return os.waitpid(child, 0)[1] == 0


@contextmanager
def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Do some work again and again in a thread."""
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(HELD_S / 10):
            work()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_fork_waits_for_undivided_work_and_copies_none_of_its_locks() -> None:
    library = Library()

    def work() -> None:
        with undivided:
            library.call()

    with repeated(work):
        assert all(library.is_free_in_a_fork() for _ in range(FORKS))
    with repeated(library.call):
        assert not library.is_free_in_a_fork()


def test_no_sample_is_cut_in_two_by_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    library, session = Library(), Session()
    monkeypatch.setattr(session, "gpus", lambda: library.call() or [])
    with Sampler(Phases(), HELD_S / 10, session):
        assert all(library.is_free_in_a_fork() for _ in range(FORKS))


def test_a_fork_within_undivided_work_is_possible() -> None:
    with undivided:
        child = os.fork()
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

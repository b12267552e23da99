"""A MemoryError is reported as a shortage only if memory is short."""

import resource
from types import SimpleNamespace

import psutil
import pytest

from kvbench import memory_errors

GIB = 2**30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Set the free memory of a 16 GiB machine and the address-space limit of the process."""

    def set_free(free_gib: float, limit: int = resource.RLIM_INFINITY) -> None:
        memory = SimpleNamespace(available=int(free_gib * GIB), total=16 * GIB)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        monkeypatch.setattr(memory_errors.resource, "getrlimit", lambda which: (limit, limit))

    return set_free


@pytest.mark.parametrize(("free_gib", "limit"), [(1, resource.RLIM_INFINITY), (12, 4 * GIB)])
def test_short_memory_names_the_key(machine, free_gib, limit):
    machine(free_gib, limit)
    assert "lower kv_budget_mib" in memory_errors.describe_memory_error(MemoryError(), "details in x.log")


def test_a_request_beyond_all_memory_is_no_shortage(machine):
    machine(12)
    told = memory_errors.describe_memory_error(MemoryError("8.0 EiB"), "details in x.log")
    assert told == (
        "a single allocation (8.0 EiB) exceeds the machine's memory, of which 12.0 of 16.0 GiB are free; "
        "details in x.log"
    )
    assert "kv_budget_mib" not in told

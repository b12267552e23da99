"""The number of threads: what `auto` means, and what torch finds in its environment."""

import os
import sys

import pytest

from kvbench.machine.limits import usable_cpus
from kvbench.machine.threads import VARIABLES, resolve_threads, set_threads


@pytest.mark.parametrize(
    ("wish", "device", "threads"),
    [("auto", "cpu", usable_cpus()), ("auto", "cuda", None), (3, "cpu", 3), ("3", "cuda", 3)],
)
def test_auto_is_all_cpus_and_on_a_gpu_what_each_engine_chooses(wish, device: str, threads: int | None) -> None:
    assert resolve_threads(wish, device) == threads


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """No torch is loaded, and Snakemake has exported 16 threads."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in (*VARIABLES, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "16")
    monkeypatch.delenv("OMP_WAIT_POLICY")


@pytest.mark.usefixtures("without_torch")
def test_the_number_replaces_what_snakemake_exports() -> None:
    set_threads(3)
    assert {os.environ[name] for name in VARIABLES} == {"3"}


@pytest.mark.usefixtures("without_torch")
def test_where_engines_choose_nothing_is_left_of_what_snakemake_exports() -> None:
    set_threads(None)
    assert not {*VARIABLES, "OMP_WAIT_POLICY"} & set(os.environ)


def test_after_torch_it_would_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", object())
    with pytest.raises(RuntimeError, match="before torch is imported"):
        set_threads(1)

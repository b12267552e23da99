"""Which flavour is set up, and what the plan flavour leaves out."""

from __future__ import annotations

import pytest

import bootstrap
import slim


@pytest.mark.parametrize(
    ("wish", "nvidia", "flavour", "word"),
    [
        ("auto", (0, (0, 0)), "cpu", "no NVIDIA GPU"),
        ("auto", (1, (13, 0)), "cuda", "1 NVIDIA GPU"),
        ("auto", (8, (13, 1)), "cuda", "8 NVIDIA GPUs"),
        ("auto", (1, (12, 9)), "cpu", "CUDA 12.9"),
        ("cpu", (1, (13, 0)), "cpu", "as set by FLAVOUR"),
        ("cuda", (0, (0, 0)), "cuda", "as set by FLAVOUR"),
        ("plan", (1, (13, 0)), "plan", "no engine"),
    ],
)
def test_flavour(monkeypatch, wish, nvidia, flavour, word):
    monkeypatch.setattr(bootstrap, "nvidia", lambda: nvidia)
    chosen, reason = bootstrap.choose_flavour(wish)
    assert chosen == flavour
    assert word in reason


@pytest.fixture(params=[("Darwin", "x86_64"), ("Darwin", "arm64"), ("Linux", "aarch64"), ("Linux", "riscv64")])
def elsewhere(request, monkeypatch) -> str:
    """Another system than Linux on x86-64; returns its machine."""
    system, machine = request.param
    monkeypatch.setattr(bootstrap.platform, "system", lambda: system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
    return machine


@pytest.mark.parametrize("wish", ["auto", "cpu", "cuda"])
def test_engines_are_refused_elsewhere_and_the_plan_flavour_is_named(elsewhere, wish):
    with pytest.raises(bootstrap.Refused, match="engines need Linux on x86-64") as refused:
        bootstrap.check_platform(wish)
    assert ("`make plan FLAVOUR=plan`" in str(refused.value)) is (elsewhere != "riscv64")
    assert "\n" not in str(refused.value)


def test_the_plan_flavour_is_for_macos_and_arm64_too(elsewhere):
    if elsewhere == "riscv64":
        with pytest.raises(bootstrap.Refused, match="Linux on riscv64: the plan flavour is for"):
            bootstrap.check_platform("plan")
    else:
        bootstrap.check_platform("plan")


def test_a_cpu_without_avx2_is_pointed_to_the_plan_flavour(monkeypatch):
    monkeypatch.setattr(bootstrap, "has_avx2", lambda: False)
    with pytest.raises(bootstrap.Refused, match=r"no AVX2.*`make plan FLAVOUR=plan`"):
        bootstrap.set_up("cpu")


@pytest.mark.parametrize(
    ("there", "arguments", "wish"),
    [
        ("", ["--no-engine"], "plan"),
        ("cpu", ["--no-engine"], "cpu"),
        ("plan", ["--no-engine", "--flavour", ""], "plan"),
        ("cuda", ["--no-engine", "--flavour", "plan"], "plan"),
        ("plan", ["--flavour", "auto"], "auto"),
    ],
)
def test_what_needs_no_engine_takes_the_environment_that_is_there(monkeypatch, venv, lock_file, there, arguments, wish):
    if there:
        bootstrap.Stamp(str(venv)).finish(there, lock_file)
    asked = []
    monkeypatch.setattr(bootstrap, "venv_path", lambda: str(venv))
    monkeypatch.setattr(bootstrap, "set_up", asked.append)
    monkeypatch.setattr(bootstrap.sys, "argv", ["bootstrap.py", *arguments])
    bootstrap.main()
    assert asked == [wish]


@pytest.mark.parametrize(
    ("there", "flavour", "fresh"), [("plan", "cpu", True), ("cpu", "plan", True), ("cpu", "cpu", False)]
)
def test_an_environment_is_made_anew_where_packages_lack_parts(monkeypatch, venv, lock_file, there, flavour, fresh):
    bootstrap.Stamp(str(venv)).finish(there, lock_file)
    made = []
    monkeypatch.setattr(bootstrap, "venv_path", lambda: str(venv))
    monkeypatch.setattr(bootstrap, "find_uv", lambda guard: "uv")
    monkeypatch.setattr(bootstrap, "announce", lambda *given: None)
    monkeypatch.setattr(bootstrap, "sync", lambda uv, python, flavour, guard: None)
    monkeypatch.setattr(bootstrap, "run", lambda command, guard: made.append(command[1]))
    bootstrap.set_up(flavour)
    assert made == (["venv"] if fresh else [])
    assert bootstrap.Stamp(str(venv)).flavour() == flavour


def test_what_no_job_reads_is_removed_and_nothing_else(tmp_path):
    kept = ["numpy/core.py", "pandas/testing.py", "pyarrow/lib.so", "pyarrow/libarrow_python.so.2600", "pulp/pulp.py"]
    kept += ["pyarrow/libarrow_substrait.so.2600", "pyarrow/libarrow_python.2600.dylib", "a/contests/a.py", "a/b.so"]
    gone = ["numpy/tests/test_a.py", "scipy/stats/tests/data/a.csv", "pyarrow/include/a/b.h", "numpy/core.pyi", "a/b.h"]
    gone += [
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/_flight.cpython-311-darwin.so",
        "pyarrow/libarrow_s3.2600.dylib",
    ]
    gone += [
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.2600.1.0",
        "pulp/solverdir/cbc/cbc",
        "vl_convert/vl_convert.abi3.so",
    ]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    slim.remove(str(tmp_path))
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)

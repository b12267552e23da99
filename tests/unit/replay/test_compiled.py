"""A compiled loop stays cached on disk until a file that it may depend on changes."""

import subprocess
import sys
from pathlib import Path

import pytest

PART = "from kvbench.replay.kernels.compiled import inner\n@inner\ndef part():\n    return {}\n"
LOOP = (
    "from kvbench.replay.kernels.compiled import outer\nfrom part import part\n@outer\ndef loop():\n    return part()\n"
)
SHOW = "from loop import loop; print(loop(), sum(loop.stats.cache_hits.values()))"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a loop and a part of it, whose compiled form is cached beside it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "part.py").write_text(PART.format(1))
    (tmp_path / "loop.py").write_text(LOOP)
    return tmp_path


def start(folder: Path) -> subprocess.Popen:
    """A new process that runs the loop and prints its result and its number of disk-cache hits."""
    scripts = Path(__file__).resolve().parents[3] / "scripts"
    path = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(scripts)!r}]; "
    return subprocess.Popen([sys.executable, "-c", path + SHOW], stdout=subprocess.PIPE, text=True)


def output(process: subprocess.Popen) -> str:
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return printed.strip()


def test_a_loop_is_compiled_again_where_another_file_of_its_folder_changed(folder: Path):
    assert output(start(folder)) == "1 0"
    assert output(start(folder)) == "1 1"
    (folder / "part.py").write_text(PART.format(22))
    assert output(start(folder)) == "22 0"


def test_processes_that_start_together_compile_once(folder: Path):
    started = [start(folder) for _ in range(3)]
    assert sorted(map(output, started)) == ["1 0", "1 1", "1 1"]


def test_a_loop_runs_where_its_cache_cannot_be_locked(folder: Path):
    assert output(start(folder)) == "1 0"
    (lock,) = (folder / "cache").rglob("*.lock")
    lock.unlink()
    lock.mkdir()  # cannot be opened
    (folder / "part.py").write_text(PART.format(3))
    assert output(start(folder)) == "3 0"

"""A compiled loop stays cached on disk until a file that it may depend on changes."""

import subprocess
import sys
from pathlib import Path

PART = "from kvbench.replay.kernels.compiled import inner\n@inner\ndef part():\n    return {}\n"
LOOP = (
    "from kvbench.replay.kernels.compiled import outer\nfrom part import part\n@outer\ndef loop():\n    return part()\n"
)
SHOW = "from loop import loop; print(loop(), sum(loop.stats.cache_hits.values()))"


def run(folder: Path, scripts: Path) -> str:
    """Run the loop in a new process; return its result and its number of disk-cache hits."""
    path = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(scripts)!r}]; "
    return subprocess.run(
        [sys.executable, "-c", path + SHOW], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_loop_is_compiled_again_where_another_file_of_its_folder_changed(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    scripts = Path(__file__).resolve().parents[3] / "scripts"
    (tmp_path / "part.py").write_text(PART.format(1))
    (tmp_path / "loop.py").write_text(LOOP)
    assert run(tmp_path, scripts) == "1 0"
    assert run(tmp_path, scripts) == "1 1"
    (tmp_path / "part.py").write_text(PART.format(22))
    assert run(tmp_path, scripts) == "22 0"

"""The rule's job: a map that does not add up leaves a sentence in its file and does not fail the report."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders.mapped_runs import every_block, mapped_run, workload_of
from builders.places import SCRIPTS
from builders.simulated_requests import make_requests

REQUESTS = make_requests(4)
DRIVER = """
import sys
sys.path.insert(0, {scripts!r})
from types import SimpleNamespace as Names
from kvbench.blockmap.job import draw

names = Names(model="m", workload="w")
draw(Names(rule="draw_block_map", log=["logs/w.log"], output=Names(map="w.json.gz"),
           wildcards=type("Wildcards", (list,), vars(names))(["m", "w"]),
           input=Names(runs=[{run!r}], workload={workload!r}, model="model.json")))
"""


def drawn(folder: Path, run: Path) -> subprocess.CompletedProcess[str]:
    workload = str(workload_of(REQUESTS, folder))
    code = DRIVER.format(scripts=str(SCRIPTS), run=str(run), workload=workload)
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return mapped_run(tmp_path, "vllm", REQUESTS, slots=544)


def document(folder: Path) -> dict:
    return json.loads(gzip.decompress((folder / "w.json.gz").read_bytes()))


def test_a_map_is_written_and_nothing_is_said(tmp_path: Path, run: Path) -> None:
    done = drawn(tmp_path, run)
    assert (done.returncode, done.stderr) == (0, "")
    found = document(tmp_path)
    assert (found["model"], found["workload"], found["reason"]) == ("m", "w", None)
    assert [side["engine"] for side in found["sides"]] == ["vllm"]
    assert "packed" in found["sides"][0]


def test_a_map_that_does_not_add_up_says_so(tmp_path: Path, run: Path) -> None:
    every_block(run, lambda ids: [ids[0]] * len(ids))
    done = drawn(tmp_path, run)
    found = document(tmp_path)
    assert (done.returncode, found["sides"]) == (0, [])
    assert found["reason"].startswith("The map could not be made: AccountingError: slots of distinct blocks")
    assert done.stderr == f"draw_block_map m w: {found['reason']}\n"
    assert "Traceback" in (tmp_path / "logs/w.log").read_text()


def test_a_missing_file_fails_the_job(tmp_path: Path, run: Path) -> None:
    (run.parent / "kv.parquet").unlink()
    done = drawn(tmp_path, run)
    assert done.returncode == 1
    assert "kv.parquet: no such file" in done.stderr
    assert not (tmp_path / "w.json.gz").exists()

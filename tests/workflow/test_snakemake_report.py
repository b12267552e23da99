"""Snakemake's own report of a finished run has every figure with its caption, category and labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

from builders.places import ROOT
from builders.tree import quick_project, snakemake

from kvbench.figures.registry import FIGURES

OVERLAY = ("--configfile", "config.yaml", "config/quick.yaml")


def test_every_figure_has_its_place(tmp_path: Path) -> None:
    tree = quick_project(tmp_path / "tree")
    done = snakemake(tree, *OVERLAY, "--config", "device=cpu")
    assert done.returncode == 0, done.stderr
    done = snakemake(tree, *OVERLAY, "--config", "device=cpu", "--report", "own.html")
    assert done.returncode == 0, done.stderr
    page = (tree / "own.html").read_text()
    results, categories = (json.loads(_variable(page, name)) for name in ("results", "categories"))
    shown = {path.relative_to(tree).as_posix() for path in (tree / "results/figures").rglob("*.svg")}
    assert set(results) == shown
    assert len(shown) >= 8
    entries = {entry.name: entry for entry in FIGURES}
    for path, result in results.items():
        entry = entries[Path(path).stem]
        assert result["labels"] == {"model": "smollm2-135m", "workload": "guide", "figure": entry.name}
        assert entry.name in result["job_properties"]["rule"]
        words = re.sub(r"[`*]", "", (ROOT / entry.caption).read_text()).split()[:4]
        assert " ".join(words) in " ".join(result["caption"].split())
        assert path in categories[entry.category]["Other"]
    assert "What PagedAttention gains over traditional KV-cache allocation" in page


def _variable(page: str, name: str) -> str:
    return re.search(rf'<script id="{name}">\s*var {name} = (.*?);\s*</script>', page, re.S)[1]

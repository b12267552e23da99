"""A report of the runs that are there, and then of all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from builders.cluster_project import behave, cluster_project, ran
from builders.tree import snakemake

from kvbench.config.paths import BANDWIDTH, CONFIG, ENVIRONMENT, PAGING_PRICE
from kvbench.files import write_json

RUN = ("--configfile", "overlay.yaml", "--cores", "2")
RUNS = [f"results/runs/tiny/{engine}/mine/base/run.json" for engine in ("hf-batch", "vllm")]
REPORT = (sys.executable, "scripts/report_again.py", "--cores", "2", "--partial")


def test_a_report_is_made_without_a_failed_run_and_is_stale_once_it_is_there(tmp_path: Path) -> None:
    project = cluster_project(tmp_path / "project", {})
    behave(project, run_vllm={"fail": "config.yaml: some.key: bad"})
    beside = (CONFIG, ENVIRONMENT, BANDWIDTH, *PAGING_PRICE)
    assert snakemake(project, *RUN, "--keep-going", "--", *RUNS, *beside).returncode == 1
    shutil.rmtree(project / "results/manifests")  # two of these files get another content here
    resolve_config(project)
    write_json(project / ENVIRONMENT, {"device": "cpu"})
    done = subprocess.run(REPORT, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = {job["rule"]: job for job in ran(project)}
    assert told["make_report"]["missing"] == ["tiny/vllm/mine/base"]
    assert told["summarise_runs"]["runs"] == 1
    behave(project)
    planned = snakemake(project, *RUN, "--dry-run").stdout
    assert {"run_vllm", "summarise_runs", "make_report"} <= {line.split(" ")[0] for line in planned.splitlines()}


def resolve_config(project: Path) -> None:
    """Write results/config.yaml as its rule does."""
    import yaml

    from kvbench.config.overlays import read_layers
    from kvbench.config.settings import validate

    layers = read_layers(project / "config.yaml", [project / "overlay.yaml"], [])
    config = validate(layers.config, project / "schemas/config.schema.yaml", layers.origin, sources=False)
    (project / "results/config.yaml").write_text(yaml.safe_dump(config))

"""Traces through real Snakemake: served when they say, replayed with the prefixes that they know, or refused."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from builders.tiny_overlay import tiny_overlay
from builders.trace_files import AZURE_HEADER, mooncake
from builders.tree import contents, copy_project, snakemake

AZURE = f"{AZURE_HEADER}\r\n" + "".join(f"2023-11-16 18:15:4{n}.5000000,{20 + n},{3 + n}\r\n" for n in range(4))
MOONCAKE = mooncake(*((1000 * n, 1100, 5, [7, 8, 20 + n]) for n in range(4)))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("traces") / "tree")


def scenario(tree: Path, **given: object) -> None:
    """Write an overlay with one scenario, which replays trace.jsonl.gz of the tree's folder."""
    step = {"constant_s": 0.5, "source": "a test"}
    own = {
        "file": "trace.jsonl.gz",
        "pool_slots": 4096,
        "policies": ["paged"],
        "prefix_sharing": True,
        "step_time": step,
    }
    (tree / "own.yaml").write_text(yaml.safe_dump({"replays": {"mine": own | given}}))


def test_requests_of_a_trace_are_served_when_it_says(tree: Path) -> None:
    """At twice the speed: a request is due every half second."""
    (tree / "azure.csv.gz").write_bytes(gzip.compress(AZURE.encode()))
    overlay = yaml.safe_load(tiny_overlay("azure.csv.gz", speed=2))
    overlay["runs"] = [{**overlay["runs"][0], "engines": ["hf-batch"], "requests_per_s": "file"}]
    (tree / "own.yaml").write_text(yaml.safe_dump(overlay))
    run = "results/runs/tiny/hf-batch/mine/requests_per_s-file/"
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", f"{run}run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = pq.read_table(tree / run / "requests.parquet").to_pandas()
    rows = found[found["repeat"] == 1].sort_values("due_s")
    assert rows["due_s"].tolist() == [0, 0.5, 1, 1.5]
    assert rows["prompt_tokens"].tolist() == [20, 21, 22, 23]
    assert rows["output_tokens"].tolist() == [3, 4, 5, 6]


def test_a_trace_is_replayed_with_the_prefixes_that_it_knows(tree: Path) -> None:
    (tree / "trace.jsonl.gz").write_bytes(gzip.compress(MOONCAKE.encode()))
    scenario(tree, speed=2)
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", "results/replays/mine/replay.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tree / "results/replays/mine/replay.json").read_text())
    assert found["requests"]["last_arrival_s"] == 1.5
    assert found["policies"]["paged"]["totals"]["prefix_hit_tokens"] == 3 * 1024


def test_a_trace_is_routed_by_the_prefixes_that_it_knows(tree: Path) -> None:
    """All prompts begin alike: they go to the replica that has had the first one, not in turn."""
    (tree / "trace.jsonl.gz").write_bytes(gzip.compress(MOONCAKE.encode()))
    scenario(tree, fleet={"replicas": [2], "routers": ["prefix-aware", "round-robin"]})
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", "results/replays/mine/fleet.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tree / "results/replays/mine/fleet.json").read_text())["fleets"]
    sent = {one["router"]: [replica["requests"] for replica in one["each"]] for one in found}
    assert sent == {"prefix-aware": [4, 0], "round-robin": [2, 2]}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"block_size": 24},
            r"config\.yaml: replays\.mine\.block_size: .* by blocks of 512 tokens, which 24 does not .*",
        ),
        ({"format": "azure"}, r"trace\.jsonl\.gz: line 1: the file is mooncake, not azure; correct the key format, .*"),
    ],
)
def test_a_trace_that_does_not_fit_is_refused_and_nothing_is_written(tree: Path, given: dict, line: str) -> None:
    (tree / "trace.jsonl.gz").write_bytes(gzip.compress(MOONCAKE.encode()))
    scenario(tree, **given)
    before = {path for path in contents(tree) if not path.startswith("logs/")}
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", "results/replays/mine/replay.json")
    assert done.returncode == 1
    said = (done.stdout + done.stderr).splitlines()
    assert [text for text in said if re.fullmatch(f"run_replay mine: {line}", text)], said
    assert "Traceback" not in done.stdout + done.stderr
    assert {path for path in contents(tree) if not path.startswith("logs/")} <= before

"""Runs at the two points of a sweep of prefix sharing."""

from __future__ import annotations

from pathlib import Path

from builders.changed_runs import replace_rows
from builders.runs import write_run
from builders.simulated_requests import make_requests
from kvbench.analysis.results import Run, load_runs
from kvbench.files import read_parquet


def write_shared_runs(root: Path) -> list[Run]:
    """hf-batch, and vllm at both: that which shares has half of its blocks in common, and one output differs."""
    requests = make_requests(8)
    flips = {(requests[0].id, 0): 1}
    paths = [write_run(root, "vllm", requests=requests, point="prefix_sharing-false")]
    paths += [write_run(root, "vllm", requests=requests, point="prefix_sharing-true", flips=flips)]
    path = paths[1].parent / "kv.parquet"
    kv = read_parquet(path).to_pandas()
    kv["unshared"] = 2 * kv["allocated"]
    replace_rows(path, kv)
    return load_runs([*paths, write_run(root, "hf-batch", requests=requests)])

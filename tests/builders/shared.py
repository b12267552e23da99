"""Runs at both points of a prefix-sharing sweep."""

from __future__ import annotations

from pathlib import Path

from builders.changed_runs import replace_rows
from builders.runs import write_run
from builders.simulated_requests import make_requests
from kvbench.analysis.results import Run, load_runs
from kvbench.files import read_parquet


def write_shared_runs(root: Path) -> list[Run]:
    """Write hf-batch and vllm with sharing off and on; sharing saves half the blocks and changes one output."""
    requests = make_requests(8)
    flips = {(requests[0].id, 0): 1}
    paths = [write_run(root, "vllm", requests=requests, point="prefix_sharing-false")]
    paths += [write_run(root, "vllm", requests=requests, point="prefix_sharing-true", flips=flips)]
    path = paths[1].parent / "kv.parquet"
    kv = read_parquet(path).to_pandas()
    kv["unshared"] = 2 * kv["allocated"]
    replace_rows(path, kv)
    return load_runs([*paths, write_run(root, "hf-batch", requests=requests)])

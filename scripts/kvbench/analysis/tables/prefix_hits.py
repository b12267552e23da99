"""What runs with prefix sharing found in the cache, why the rest of prompts that begin alike was not found, and what a
second pass finds in a cache that was not emptied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from kvbench.analysis.results import Run
from kvbench.analysis.tables.prefix_hits_blocks import window_blocks
from kvbench.analysis.tables.prefix_hits_filling import Read, Rules
from kvbench.analysis.tables.prefix_hits_reasons import REASONS, Asked, reasons
from kvbench.errors import UserError
from kvbench.files import read_parquet
from kvbench.kv.groups import LayerGroup, Paging, paging_of
from kvbench.measure.passes import AGAIN, BLOCKS

COLUMNS = (
    *("model", "workload", "engine", "point", "requests", "prompt_tokens", "found_tokens", "found_share_of_prompts"),
    *("alike_tokens", "found_share_of_alike", "requests_alike", "unit_tokens", "window_blocks", "unit_rule"),
    *(f"{name}_tokens" for name in REASONS),
    *(f"{name}_requests" for name in REASONS),
    *("engine_looked_up_tokens", "engine_found_tokens"),
    *("kept_cache_found_tokens", "kept_cache_found_share_of_prompts", "kept_cache_output_tokens_per_s"),
    "emptied_cache_output_tokens_per_s",
)
READ = ("step", "request_id", "computed_tokens", "block_ids", "group")
Prompts = Mapping[str, tuple[int, ...]]


def table(runs: Sequence[Run], workloads: Mapping[tuple[str, str], str | Path]) -> pd.DataFrame:
    """A row per run with prefix sharing; `workloads` has the file of each model and workload.

    The untimed pass that reads block tables is looked at, without one the first timed repeat, where nothing is known of
    what was evicted. It is that of the first process. UserError if a workload's file lacks a request.
    """
    rows = [_row(run.processes[0], workloads) for run in runs if shares(run) and run.record["repeats"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shares(run: Run) -> bool:
    """Whether requests could share blocks."""
    return bool((run.record["settings"].get("given") or {}).get("prefix_sharing"))


def paging(run: Run) -> Paging:
    """The block tables of a run."""
    return paging_of(run.engine, [LayerGroup.of(group) for group in run.record.get("groups") or ()])


def _row(run: Run, workloads: Mapping[tuple[str, str], str | Path]) -> dict[str, Any]:
    passes = {repeat["phase"]: repeat for repeat in run.record["repeats"]}
    seen = passes.get(BLOCKS) or next(repeat for repeat in run.record["repeats"] if repeat["timed"])
    path = Path(workloads[run.model, run.workload])
    asked = _asked(run, seen["repeat"], path)
    size, tables = run.record["block_size"], paging(run).groups
    reads = _reads(run) if BLOCKS in passes and run.record.get("blocks_every") == 1 else None
    rules = rules_of(run)
    found = reasons(asked, tables, size, reads, rules)
    windows = [window_blocks(group.window, size) for group in tables if group.window is not None]
    row = {**run.names, **_sums(pd.DataFrame(found), size)}
    row |= {
        "unit_tokens": size,
        "window_blocks": max(windows, default=None),
        "unit_rule": _rule(size, windows, rules.interval if len(tables) > 1 else None),
    }
    row |= {f"engine_{name}": seen.get(f"prefix_{name}") for name in ("looked_up_tokens", "found_tokens")}
    return row | _kept(run, passes)


def _sums(rows: pd.DataFrame, size: int) -> dict[str, Any]:
    """Sums over requests; None where a request's value is not known."""
    known = {name: rows[name].notna().all() for name in ("found", *REASONS)}
    prompt, alike = int(rows["prompt"].sum()), int(rows["alike"].sum())
    found = int(rows["found"].sum()) if known["found"] else None
    sums = {f"{name}_tokens": int(rows[name].sum()) if known[name] else None for name in REASONS}
    sums |= {f"{name}_requests": int((rows[name] != 0).sum()) if known[name] else None for name in REASONS}
    return {
        "requests": len(rows),
        "requests_alike": int((rows["alike"] >= size).sum()),
        "prompt_tokens": prompt,
        "alike_tokens": alike,
        "found_tokens": found,
        "found_share_of_prompts": None if found is None else found / prompt,
        "found_share_of_alike": found / alike if found is not None and alike else None,
        **sums,
    }


def rules_of(run: Run) -> Rules:
    """How a run's engine shares blocks."""
    if not run.engine.startswith("vllm"):
        return Rules(at_once=False, null_block=None)
    in_force = run.record["settings"].get("in_force") or {}
    return Rules(interval=in_force.get("prefix_cache_retention_interval"))


def _rule(size: int, windows: Sequence[int], interval: int | None) -> str:
    """What a hit consists of, in words."""
    whole = f"whole blocks of {size} tokens"
    if not windows:
        return f"{whole}, from the first one on"
    kept = "" if interval is None else ", kept at the ends of prompts and where they part from earlier ones"
    kept += f" and every {interval} tokens" if interval else ""
    return f"{whole}; of layers with a window, the last {max(windows)} before the end of the hit{kept}"


def _asked(run: Run, repeat: int, path: Path) -> list[Asked]:
    """The requests of a pass in order of submission."""
    prompts = _prompts(path)
    rows = run.requests[(run.requests["repeat"] == repeat) & (run.requests["process"] == run.process)]
    missing = sorted(set(rows["request_id"]) - set(prompts))
    if missing:
        raise UserError(f"{path}: lacks the request {missing[0]} of {run.folder}; delete the folder and run again")
    names, outputs, found = (rows[name] for name in ("request_id", "output_token_ids", "cached_tokens"))
    return [
        Asked(name, prompts[name], prompts[name] + tuple(map(int, ids))[:-1], None if pd.isna(hit) else int(hit))
        for name, ids, hit in zip(names, outputs, found, strict=True)
    ]


def _prompts(path: Path) -> Prompts:
    rows = read_parquet(path, ["request_id", "prompt_token_ids"]).to_pydict()
    return dict(zip(rows["request_id"], map(tuple, rows["prompt_token_ids"]), strict=True))


def _reads(run: Run) -> Iterator[Read]:
    """The block tables of the pass that read them, in order."""
    read: pa.Table = read_parquet(run.folder / "blocks.parquet", list(READ))
    for batch in read.to_batches(max_chunksize=1 << 16):
        columns = batch.to_pydict()
        for step, name, computed, blocks, group in zip(*(columns[name] for name in READ), strict=True):
            yield Read(step, name, group or 0, computed, blocks)


def _kept(run: Run, passes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The pass that found the cache as the one before it had left it, beside the timed repeats of the same requests."""
    again = passes.get(AGAIN)
    if again is None:
        return {}
    rows = run.requests[(run.requests["repeat"] == again["repeat"]) & (run.requests["process"] == run.process)]
    found = rows["cached_tokens"].sum() if rows["cached_tokens"].notna().all() else None
    speeds = [one["output_tokens"] / one["wall_s"] for one in run.timed(again["scope"])]
    return {
        "kept_cache_found_tokens": found,
        "kept_cache_found_share_of_prompts": None if found is None else found / rows["prompt_tokens"].sum(),
        "kept_cache_output_tokens_per_s": again["output_tokens"] / again["wall_s"],
        "emptied_cache_output_tokens_per_s": pd.Series(speeds).median() if speeds else None,
    }

"""The document of a map: all sides of a model and workload, and the moments of a tour."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kvbench.blockmap.packing import packed
from kvbench.blockmap.paged import paged_side
from kvbench.blockmap.recorded import Recorded, recorded
from kvbench.blockmap.rows import rows_side
from kvbench.blockmap.text import MOST_TOKENS, load_tokenizer, prompt_text, token_texts
from kvbench.blockmap.tour import tour_of
from kvbench.engines.names import ENGINES, is_paged
from kvbench.files import read_record, replacing
from kvbench.workload.read import Request, read_workload

VERSION = 1
# The contiguous side to set beside the first, the best first: the same runtime, then the same budget.
PARTNERS = ("vllm-contiguous", "hf-static", "hf-batch", "hf-sequential")
NO_BLOCKS = "No run of this model and workload has read the ids of its blocks, so there is no map."


def make(
    model: str, workload: str, record_files: Iterable[str | Path], workload_file: str | Path, model_file: str | Path
) -> dict[str, Any]:
    """The document that docs/block-map.md describes, from run.json files and what lies beside them.

    Without a paged run that read block ids it has no sides, and `reason` says why.
    """
    requests = read_workload(workload_file)
    found = {read_record(file, "engine")["engine"]: file for file in record_files}
    runs = [recorded(found[engine], requests, reads_blocks=is_paged(engine)) for engine in _ordered(found)]
    shown = [(run, side) for run in runs if run is not None and (side := _side(run)) is not None]
    if not any(side["form"] == "paged" for _, side in shown):
        return without_sides(model, workload, NO_BLOCKS)
    sides = [side for _, side in shown]
    described = _described(requests, [run for run, _ in shown], model_file)
    return {
        **without_sides(model, workload, None),
        "requests": described,
        "sides": sides,
        "tour": tour_of(described, sides),
    }


def without_sides(model: str, workload: str, reason: str | None) -> dict[str, Any]:
    """A document that shows nothing, and the sentence that says why."""
    names = {"version": VERSION, "model": model, "workload": workload, "reason": reason}
    return {**names, "requests": [], "sides": [], "tour": []}


def write(path: str | Path, document: dict[str, Any]) -> None:
    """Write the document as JSON with packed tables, compressed with gzip; the same document gives the same bytes."""
    sides = [packed(side) for side in document["sides"]]
    text = json.dumps(document | {"sides": sides}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _ordered(engines: Iterable[str]) -> list[str]:
    """`vllm` or another engine with blocks of some tokens, its best contiguous partner, then all others."""
    engines = sorted(engines, key=lambda engine: (engine != "vllm", not is_paged(engine), ENGINES.index(engine)))
    first = [engine for engine in engines if is_paged(engine) and engine not in PARTNERS][:1]
    partner = [engine for engine in PARTNERS if engine in engines][:1]
    return [*first, *partner, *(engine for engine in engines if engine not in (*first, *partner))]


def _side(run: Recorded) -> dict[str, Any] | None:
    return paged_side(run) if is_paged(run.engine) else rows_side(run)


def _described(requests: Sequence[Request], runs: Sequence[Recorded], model_file: str | Path) -> list[dict[str, Any]]:
    tokenizer = load_tokenizer(model_file)
    generated = _generated(requests, runs, tokenizer)
    return [
        {
            "id": request.request_id,
            "prompt_tokens": request.prompt_tokens,
            "output_tokens": request.output_tokens,
            "prompt": prompt_text(tokenizer, request.text, request.prompt_token_ids),
            "output": generated.get(number),
        }
        for number, request in enumerate(requests)
    ]


def _generated(requests: Sequence[Request], runs: Sequence[Recorded], tokenizer: Any) -> dict[int, list[str] | None]:
    """The texts of the tokens that the first side generated, by request."""
    if not runs or tokenizer is None or sum(r.output_tokens for r in requests) > MOST_TOKENS:
        return {}
    table = runs[0].rows("requests", ["request_id", "output_token_ids"])
    numbers = runs[0].numbers(table["request_id"])
    ids = table["output_token_ids"].to_pylist()
    return {int(number): token_texts(tokenizer, one) for number, one in zip(numbers, ids, strict=True)}

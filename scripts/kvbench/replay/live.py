"""The replay's settings for a live run of vLLM, from its run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.replay.inputs import Settings

# Engines whose limits do not depend on the pool, so that a replay may change the pool or its blocks and nothing else.
ENGINES = ("vllm", "vllm-eager")


def settings_of(run: Run, block_size: int | None = None, blocks: int | None = None) -> Settings:
    """What vLLM's scheduler was given: its pool in whole blocks, its limits in force, prefix caching.

    `block_size` and `blocks` put others in place of the run's own. Options that run.json has no value in force for are
    those asked for, or vLLM's defaults. UserError where the record lacks a limit.
    """
    in_force, given = (run.record["settings"].get(key) or {} for key in ("in_force", "given"))
    options = given.get("options") or {}
    blocks, block_size = blocks or run.record["capacity"]["blocks"], block_size or run.record["block_size"]
    return Settings(
        "paged",
        pool_slots=blocks * block_size,
        block_size=block_size,
        max_length=run.record["max_length"],
        max_running=_limit(run, in_force, "max_num_seqs"),
        max_step_tokens=_limit(run, in_force, "max_num_batched_tokens"),
        long_prefill_tokens=options.get("long_prefill_token_threshold", 0),
        watermark_blocks=int(options.get("watermark", 0.0) * (blocks + 1)),  # of all blocks, the null block included
        prompt_must_fit=options.get("scheduler_reserve_full_isl", True),
        prefix_sharing=bool(in_force.get("enable_prefix_caching")),
    )


def _limit(run: Run, in_force: Mapping[str, Any], name: str) -> int:
    if name not in in_force:
        raise UserError(f"{run.folder / 'run.json'}: lacks {name} in force; delete the folder and run again")
    return in_force[name]

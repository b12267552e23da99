"""The replay settings that correspond to a live run of vLLM, from its run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.replay.inputs import Settings

# Engines whose limits do not depend on the pool, so that a replay can change only the pool or its block size.
ENGINES = ("vllm", "vllm-eager")


def settings_of(run: Run, block_size: int | None = None, blocks: int | None = None) -> Settings:
    """The settings of vLLM's scheduler in a run: its pool in whole blocks, its limits in force, prefix caching.

    `block_size` and `blocks` replace the run's own values. An option without a value in force in run.json has the value
    that the run asked for or vLLM's default. UserError if run.json lacks a limit.
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
        watermark_blocks=int(
            options.get("watermark", 0.0) * (blocks + 1)
        ),  # share of all blocks, including the null block
        prompt_must_fit=options.get("scheduler_reserve_full_isl", True),
        prefix_sharing=bool(in_force.get("enable_prefix_caching")),
    )


def _limit(run: Run, in_force: Mapping[str, Any], name: str) -> int:
    if name not in in_force:
        raise UserError(f"{run.folder / 'run.json'}: has no value in force of {name}; delete the folder and run again")
    return in_force[name]

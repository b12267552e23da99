"""The replay settings that correspond to a live run, from its run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.kv.groups import LayerGroup, vllm_paging
from kvbench.kv.policies import RESERVING
from kvbench.measure.orders import AUTO_BLOCK_SIZE
from kvbench.replay.inputs import LARGEST, ONE_GROUP, Settings

# Engines whose limits do not depend on the pool, so that a replay can change only the pool or its block size.
ENGINES = ("vllm", "vllm-eager")
# Engines whose decisions a replay makes too: not hf-continuous, which has another scheduler, nor hf-static-compiled,
# whose batches have rows without a request.
RESERVED = "vllm-reserved-"  # the name goes on with the policy
PADDED = ("hf-sequential", "hf-batch", "hf-static")
PAGED = (
    *("vllm-sequential", "vllm-contiguous", "vllm-reserved", f"{RESERVED}power-of-two", f"{RESERVED}oracle"),
    *ENGINES,
)
MODELLED = (*PADDED, *PAGED)


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
        reserves=policy if (policy := run.engine.removeprefix(RESERVED)) in RESERVING else None,
        windows=windows_of(run),
        async_scheduling=run.schedules_ahead,
    )


def windows_of(run: Run) -> tuple[int, ...]:
    """The window of each of vLLM's block tables in a run, in tokens; 0: full attention."""
    groups = [LayerGroup.of(group) for group in run.record.get("groups") or ()]
    return tuple(table.window or 0 for table in vllm_paging(groups).groups) if groups else ONE_GROUP


def unmodelled(run: Run) -> str | None:
    """What of a run of one of `MODELLED` a replay does not know yet; None if it knows all."""
    if windows_of(run) == ONE_GROUP:
        return None
    if run.engine in PADDED:
        return "batches of a model with sliding windows"
    own = settings_of(run)
    kind = "prefix caching" if own.prefix_sharing else "reservations" if own.reserves else None
    return kind and f"{kind} with several KV groups or a window"


def server_settings(run: Run) -> Settings:
    """The settings of a run of one of `MODELLED`: those of vLLM's scheduler, or of a server of padded batches.

    UserError if run.json lacks a limit.
    """
    return settings_of(run) if run.engine in PAGED else _padded(run)


def _padded(run: Run) -> Settings:
    """A batch has as many rows as the budget holds, but no more than were found to fit beside its activations."""
    budget, given = run.record["capacity"]["budget_bytes"], run.record["settings"].get("given") or {}
    size = given.get("block_size", "auto")
    most = (run.record.get("out_of_memory") or {}).get("largest_batch_rows") or LARGEST - 1
    return Settings(
        "hf-static" if run.engine == "hf-static" else "hf-batch",
        pool_slots=budget // run.record["slot_bytes"],
        max_length=run.record["max_length"],
        max_context=run.record.get("max_context"),  # absent from older records, whose batches kept to max_length
        block_size=AUTO_BLOCK_SIZE["cpu" if run.record["device"] == "cpu" else "cuda"] if size == "auto" else size,
        max_running=1 if run.engine == "hf-sequential" else most,
    )


def _limit(run: Run, in_force: Mapping[str, Any], name: str) -> int:
    if name not in in_force:
        raise UserError(f"{run.folder / 'run.json'}: has no value in force of {name}; delete the folder and run again")
    return in_force[name]

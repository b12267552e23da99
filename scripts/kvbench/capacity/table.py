"""results/tables/capacity.csv: a row per plan and policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.capacity.fit import Fit
from kvbench.capacity.plan import Answer
from kvbench.capacity.rate import Demand

GIVEN = ("workload", "requests", "max_length", "block_size", "max_running", "max_step_tokens", "requests_per_s")


def table(answers: Sequence[Answer]) -> pd.DataFrame:
    """One row per plan and policy; cells are empty if a plan has no rate or no step time."""
    rows = [row(one, fit, one.demands[i] if one.demands else None) for one in answers for i, fit in enumerate(one.fits)]
    return pd.DataFrame(rows)


def row(answer: Answer, fit: Fit, demand: Demand | None) -> dict[str, Any]:
    """The columns of docs/tables.md."""
    plan, room = answer.plan, answer.room
    return {
        "plan": answer.name,
        "model": room.shape.label,
        "dtype": room.dtype,
        "kv_dtype": room.kv_dtype,
        "card": room.card.name,
        "cards_per_model": room.cards,
        **{name: plan.get(name) for name in GIVEN},
        "slot_bytes": room.slot_bytes,
        "weights_bytes": room.weights_bytes,
        "kv_bytes": room.kv_bytes,
        "slots": room.slots,
        "blocks": room.blocks(plan["block_size"]),
        "vllm_blocks": answer.engine.blocks,
        "vllm_tokens": answer.engine.size_tokens,
        "vllm_max_concurrency": answer.engine.max_concurrency,
        "policy": fit.policy,
        "request_mean_slots": fit.mean_slots,
        "held_mean_slots": fit.held_slots,
        "replayed": fit.replayed,
        "requests_at_once_by_mean": room.slots / fit.mean_slots if fit.mean_slots else None,
        "requests_at_once_by_held": room.slots / fit.held_slots if fit.held_slots else None,
        "requests_at_once": fit.requests_at_once,
        "limited_by": fit.limited_by,
        "held_share_of_pool": fit.pool_held_share,
        "live_share_of_allocated": fit.live_share,
        "preemptions_per_request": fit.preemptions_per_request,
        "output_mean_tokens": float(answer.trace.output_tokens.mean()),
        "steps_per_request": fit.steps_per_request,
        "step_mean_s": fit.step_s,
        "service_mean_s": demand.time_s if demand else None,
        "in_service_requests": demand.in_service if demand else None,
        "most_requests_per_s": demand.most_per_s if demand else None,
        "cards": demand.cards if demand else None,
        "step_time_source": plan.get("step_time", {}).get("source"),
    }

"""How requests are grouped into padded batches under a KV budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kvbench.engines.base import EngineSettings
from kvbench.engines.names import COMPILED, is_static
from kvbench.errors import UserError
from kvbench.kv.contiguous import dynamic_width
from kvbench.workload.read import Request


def plan_batches(settings: EngineSettings, requests: Sequence[Request]) -> list[list[Request]]:
    """Batches in order of arrival, each of as many requests as `fits` allows; UserError if one alone does not fit."""
    plan: list[list[Request]] = []
    for request in requests:
        if plan and fits(settings, [*plan[-1], request]):
            plan[-1].append(request)
        elif fits(settings, [request]):
            plan.append([request])
        else:
            raise UserError(
                f"config.yaml: kv_budget_mib: {settings.budget_bytes / 2**20:g} MiB cannot hold one request of "
                f"{settings.engine} ({batch_bytes(settings, [request]) / 2**20:.1f} MiB); raise it or lower max_length"
            )
    return plan


def first_batch(settings: EngineSettings, queue: Sequence[Request]) -> list[Request]:
    """The batch that is taken from the head of a queue: as many requests as `fits` allows."""
    batch: list[Request] = []
    for request in queue:
        if batch and not fits(settings, [*batch, request]):
            break
        batch.append(request)
    return plan_batches(settings, batch)[0]


def fits(settings: EngineSettings, batch: Sequence[Request]) -> bool:
    """Whether a batch keeps to the budget, the longest row after padding and the engine's limits on rows."""
    if len(batch) > 1 and settings.engine == "hf-sequential":
        return False
    if settings.row_limit is not None and len(batch) > settings.row_limit:
        return False
    too_long = longest_prompt(batch) + longest_output(batch) > settings.longest_row
    return batch_bytes(settings, batch) <= settings.budget_bytes and not (too_long and len(batch) > 1)


def batch_bytes(settings: EngineSettings, batch: Sequence[Request]) -> int:
    """KV bytes of a batch at its largest.

    A growing cache ends at max p + max o - 1 tokens per row. A sliding layer has most after the prompt, which it holds
    as a whole until the next pass, or at the end.
    """
    if is_static(settings.engine):
        return len(batch) * settings.row_bytes
    passes = np.array([0, longest_output(batch) - 1])
    width = [dynamic_width(group, longest_prompt(batch), passes) * group.token_elements for group in settings.groups]
    return len(batch) * int(sum(width).max()) * settings.kv_itemsize


def fixed_rows(settings: EngineSettings, requests: Sequence[Request]) -> int:
    """Rows that every batch is padded to, so that decoding is compiled for one shape; 0: batches are not padded."""
    if settings.engine not in COMPILED:
        return 0
    return min(settings.reserved_rows, len(requests), settings.row_limit or len(requests))


def longest_prompt(batch: Sequence[Request]) -> int:
    """max p, in tokens."""
    return max(len(request.prompt_token_ids) for request in batch)


def longest_output(batch: Sequence[Request]) -> int:
    """max o, in tokens."""
    return max(request.output_tokens for request in batch)

"""The passes of a run: a warm-up, the timed repeats, and untimed ones: one reads block ids, one times their upkeep, one
finds what the pass before it has left in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kvbench.engines.names import BESIDE_SEQUENTIAL, COMPILED, SEQUENTIAL
from kvbench.workload.read import Request

WARM_UP, BLOCKS, UPKEEP, AGAIN = "warm-up", "blocks", "upkeep", "again"
WARM_UP_TOKENS = 4  # a CUDA graph is warmed up, recorded and replayed in the three steps after the first token


@dataclass(frozen=True)
class Pass:
    """One pass over some requests. `scope` is `all` or `sequential` (the subset that sequential engines run).

    `due_s` says when each request is submitted, in seconds after the start; None: all at once.
    """

    repeat: int
    phase: str
    scope: str
    timed: bool
    requests: tuple[Request, ...]
    due_s: tuple[float, ...] | None = None


def plan_passes(
    engine: str,
    requests: Sequence[Request],
    repeats: int,
    sequential_requests: int,
    *,
    read_blocks: bool,
    upkeep_alone: bool = False,
    keep_cache: bool = False,
    warm_up_requests: int | None = None,
) -> list[Pass]:
    """Warm-up, `repeats` timed passes per scope, then the pass that reads block ids.

    With `upkeep_alone` the upkeep of block tables has a pass of its own after that: where the host works ahead of the
    device, the time of reading ids cannot be taken off. With `keep_cache` a last pass serves the same requests without
    emptying the cache before it.

    `sequential_requests` is the size of the subset, 0 for none. If the subset is the whole workload, there is one
    scope, `all`. Only sequential engines and those compared with them run the subset. The warm-up serves the first
    `warm_up_requests` (None: all) with few output tokens. For engines that compile, it serves all requests, because
    the compiled shape depends on the rows of a batch. It does not depend on a batch's width and number of steps.
    """
    whole = tuple(requests)
    subset = whole[:sequential_requests] if sequential_requests else whole
    scopes = {"all": whole} if engine not in SEQUENTIAL or subset == whole else {}
    if subset != whole and engine in (*SEQUENTIAL, *BESIDE_SEQUENTIAL):
        scopes["sequential"] = subset
    widest = scopes.get("all", subset)
    first = widest if engine in COMPILED else widest[:warm_up_requests]
    warm_up = tuple(replace(r, output_tokens=min(r.output_tokens, WARM_UP_TOKENS)) for r in first)
    plan = [Pass(0, WARM_UP, "all" if widest == whole else "sequential", False, warm_up)]
    for scope, chosen in scopes.items():
        for _ in range(repeats):
            plan.append(Pass(len(plan), f"repeat-{len(plan)}", scope, True, chosen))
    if read_blocks:
        for phase in (BLOCKS, *([UPKEEP] if upkeep_alone else []), *([AGAIN] if keep_cache else [])):
            plan.append(Pass(len(plan), phase, plan[0].scope, False, widest))
    return plan


def arriving(passes: Sequence[Pass], due_s: Callable[[int], Sequence[float]]) -> list[Pass]:
    """The passes with arrivals: `due_s(number)` has the times of a repeat's pattern. The warm-up stays as it is.

    Each timed pass has a pattern of its own. Those that are not timed repeat the pattern of the first.
    """
    return [
        one if one.phase == WARM_UP else replace(one, due_s=tuple(due_s(one.repeat if one.timed else 1)))
        for one in passes
    ]


def read_in(passes: Sequence[Pass]) -> list[int]:
    """Numbers of the passes that read block ids."""
    return [one.repeat for one in passes if one.phase == BLOCKS]


def upkeep_in(passes: Sequence[Pass]) -> list[int]:
    """Numbers of the passes in which the upkeep of block tables is timed: one of its own, or that which reads ids."""
    return [one.repeat for one in passes if one.phase == UPKEEP] or read_in(passes)


def kept_in(passes: Sequence[Pass]) -> list[int]:
    """Numbers of the passes after which the cache is not emptied: those before a pass that is to find it so."""
    return [one.repeat - 1 for one in passes if one.phase == AGAIN]

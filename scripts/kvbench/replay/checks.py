"""Checks that settings can serve a trace, with messages that name the wrong input."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from kvbench.errors import UserError
from kvbench.kv.policies import ALLOCATORS, POLICIES, RESERVING, ROUTERS
from kvbench.replay.inputs import LARGEST, ONE_GROUP, Settings, Trace, reservation, reserved_blocks
from kvbench.replay.routing import MOST_REPLICAS, Routing
from kvbench.replay.step_time import NO_TIME


def check(trace: Trace, settings: Settings, *, has_clock: bool = False) -> None:
    """UserError if the settings cannot serve the trace; `has_clock`: the starts of steps are given."""
    _known("policy", settings.policy, POLICIES)
    _known("allocator", settings.allocator, ALLOCATORS)
    if settings.reserves is not None:
        _known("reserves", settings.reserves, RESERVING)
    for name in ("pool_slots", "max_running", "max_step_tokens", "block_size"):
        _whole(name, getattr(settings, name), 1)
    for name in ("long_prefill_tokens", "watermark_blocks"):
        _whole(name, getattr(settings, name), 0)
    if settings.max_context is not None:
        _whole("max_context", settings.max_context, 1)
    if settings.max_length is not None:
        _whole("max_length", settings.max_length, 1)
    elif needs := {"reserve-max", "hf-static"} & {settings.policy, settings.reserves}:
        raise UserError(f"replay: {needs.pop()} reserves max_length for each request; set max_length")
    if settings.prefix_sharing and settings.policy != "paged":
        raise UserError(f"replay: prefix_sharing: {settings.policy} cannot share blocks; use paged")
    if settings.async_scheduling and settings.policy != "paged":
        raise UserError(
            f"replay: async_scheduling: {settings.policy} schedules a step when it has the former; use paged"
        )
    _check_groups(settings)
    if trace.arrival_ns[-1] > 0 and not has_clock and settings.step_time == NO_TIME:
        raise UserError("replay: the trace has arrivals, but a step takes no time; set step_time")
    _check_lengths(trace, settings)


def check_routing(settings: Settings, routing: Routing) -> None:
    """UserError if the replicas or their router are unknown, or do not go with the settings."""
    _known("router", routing.router, ROUTERS)
    _whole("replicas", routing.replicas, 1)
    if routing.replicas > MOST_REPLICAS:
        raise UserError(f"replay: replicas is {routing.replicas}; give at most {MOST_REPLICAS}")
    if settings.windows != ONE_GROUP:
        raise UserError("replay: windows: replicas know no KV cache groups yet; leave out the windows or the replicas")


def _check_groups(settings: Settings) -> None:
    """UserError if the windows are no list of windows, or if KV cache groups do not go with another setting."""
    if not isinstance(settings.windows, tuple) or not settings.windows:
        raise UserError(f"replay: windows is {settings.windows!r}; give one for each KV cache group, 0: full attention")
    for window in settings.windows:
        _whole("windows", window, 0)
    if settings.windows == ONE_GROUP:
        return
    for what, given in ((settings.policy, settings.policy != "paged"), ("prefix_sharing", settings.prefix_sharing),
                        ("reserves", settings.reserves is not None)):  # fmt: skip
        if given:
            raise UserError(f"replay: windows: {what} knows no KV cache groups; leave out the windows or {what}")


def _check_lengths(trace: Trace, settings: Settings) -> None:
    """UserError if a request exceeds max_length or does not fit in an empty pool."""
    total = trace.prompt_tokens + trace.output_tokens
    if settings.max_length is not None and (long := np.flatnonzero(total > settings.max_length)).size:
        raise UserError(
            f"replay: request {long[0]} has {total[long[0]]} tokens, more than max_length {settings.max_length}; "
            "raise max_length or leave it out"
        )
    needed = np.maximum(reservation(trace, settings), reserved_blocks(trace, settings) * settings.block_size)
    worst = int(np.argmax(needed))
    room = settings.pool_slots
    if settings.policy == "paged":
        room = settings.pool_blocks * settings.block_size
    elif settings.policy in RESERVING and settings.allocator == "buddy":
        room = 1 << (room.bit_length() - 1)
    if needed[worst] > room:
        raise UserError(
            f"replay: pool_slots {settings.pool_slots} cannot hold every request under {settings.policy}: request "
            f"{worst} needs {needed[worst]} slots, but can get at most {room}; raise pool_slots"
        )


def _known(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        close = get_close_matches(str(value), known, 1)
        remedy = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        raise UserError(f"replay: {name} {value!r}: unknown; {remedy}")


def _whole(name: str, value: object, least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value < LARGEST:
        raise UserError(f"replay: {name} is {value!r}; give a whole number from {least} to {LARGEST - 1}")

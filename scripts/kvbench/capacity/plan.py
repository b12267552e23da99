"""Evaluates a capacity plan: memory, requests at once under each policy, and cards for a request rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kvbench.capacity.engine_plan import EnginePlan, engine_plan
from kvbench.capacity.fit import POLICIES, Fit, fit, fit_of_groups, fit_of_tables
from kvbench.capacity.memory import GIB, Card, Room, require_weights_fit
from kvbench.capacity.rate import Demand, demand
from kvbench.capacity.shapes import FROM_PLAN, Shape, shape_of_plan
from kvbench.errors import UserError
from kvbench.replay import Settings, StepTime, Trace
from kvbench.replay.requests import draw


@dataclass(frozen=True)
class Answer:
    """A plan with its results; `demands` is empty without a rate, and has None for a policy that is not replayed.

    `engine` is what vLLM would log for the plan's memory, with asynchronous scheduling.
    """

    name: str
    plan: Mapping[str, Any]
    room: Room
    trace: Trace
    fits: tuple[Fit, ...]
    demands: tuple[Demand | None, ...]
    engine: EnginePlan


def answer(name: str, plan: Mapping[str, Any], known: Mapping[str, Shape], seed: int) -> Answer:
    """Evaluate one entry of `capacity` with defaults filled in; `known` are the models that it may name.

    UserError if the model or a request does not fit, or if there are too few requests.
    """
    at = f"capacity.{name}"
    shape = shape_of_plan(plan, known, at)
    _require_equal_tokens(shape, at)
    room = Room(shape, plan["dtype"], Card(**plan["card"]), plan["cards_per_model"], plan.get("kv_dtype", "auto"))
    require_weights_fit(room, at)
    _require_positions(shape, plan, at)
    _require_a_request_fits(room, plan, at)
    trace = _trace(plan, seed, at)
    fits = fits_of(trace, room, plan, at)
    return Answer(name, plan, room, trace, fits, demands_of(plan, fits), engine_of(room, plan))


def fits_of(trace: Trace, room: Room, plan: Mapping[str, Any], at: str) -> tuple[Fit, ...]:
    """What fits under each policy; UserError if there are too few requests."""
    return tuple(_fit(trace, settings_of(policy, room, plan), room, at) for policy in POLICIES)


def _fit(trace: Trace, own: Settings, room: Room, at: str) -> Fit:
    """By replay where a slot, or a page of vLLM's, holds the same in every layer; else by arithmetic alone."""
    if room.shape.keeps_all:
        return fit(trace, own, at)
    return fit_of_tables(trace, own, room, at) if own.policy == "paged" else fit_of_groups(trace, own, room)


def engine_of(room: Room, plan: Mapping[str, Any]) -> EnginePlan:
    """What vLLM would log for the plan's memory, with asynchronous scheduling."""
    return engine_plan(
        room.shape.groups,
        room.kv_itemsize,
        room.kv_bytes,
        block_size=plan["block_size"],
        max_length=plan["max_length"],
        max_num_batched_tokens=plan["max_step_tokens"],
        async_scheduling=True,
    )


def _trace(plan: Mapping[str, Any], seed: int, at: str) -> Trace:
    """The plan's requests, all arriving at 0; the same for every plan with this workload."""
    return Trace.of(*draw(plan["workload"], plan["requests"], seed, plan["max_length"], at))


def _require_positions(shape: Shape, plan: Mapping[str, Any], at: str) -> None:
    if shape.max_context and plan["max_length"] > shape.max_context:
        raise UserError(
            f"config.yaml: {at}.max_length: {plan['max_length']} is more than the {shape.max_context} positions of "
            f"{shape.label}; lower it"
        )


def _require_equal_tokens(shape: Shape, at: str) -> None:
    sizes = sorted({group.elements for group in shape.groups})
    if len(sizes) > 1:
        key = f"{at}.shape.groups" if shape.source == FROM_PLAN else f"{at}.model"
        raise UserError(
            f"config.yaml: {key}: the layers of {shape.label} cache tokens of different sizes "
            f"({', '.join(map(str, sizes))} elements), for which vLLM pads pages in ways that kvbench does not account "
            "for; plan for another model"
        )


def _require_a_request_fits(room: Room, plan: Mapping[str, Any], at: str) -> None:
    if engine_of(room, plan).max_concurrency < 1:
        raise UserError(
            f"config.yaml: {at}.cards_per_model: the weights leave {room.kv_bytes / GIB:.2f} GiB for KV cache, "
            f"{room.slots} slots, which cannot hold one request of max_length {plan['max_length']}; raise it or lower "
            "max_length"
        )


def settings_of(policy: str, room: Room, plan: Mapping[str, Any]) -> Settings:
    """Settings of a replay; reservations use the best-fit allocator, which does not round to powers of two.

    Where layers keep different tokens, `paged` counts pages: a slot is then a token in one of vLLM's tables.
    """
    own = Settings(
        policy,
        pool_slots=room.slots,
        max_running=plan["max_running"],
        max_step_tokens=plan["max_step_tokens"],
        max_length=plan["max_length"],
        max_context=room.shape.max_context or None,
        block_size=plan["block_size"],
        allocator="best-fit",
        step_time=StepTime.given(plan.get("step_time")),
    )
    if room.shape.keeps_all or policy != "paged":
        return own
    windows = tuple(table.window or 0 for table in room.paging.groups)
    return replace(own, pool_slots=room.kv_bytes // room.block_bytes(1), windows=windows)


def demands_of(plan: Mapping[str, Any], fits: tuple[Fit, ...]) -> tuple[Demand | None, ...]:
    """The cards that each policy needs; empty without a rate."""
    if "requests_per_s" not in plan:
        return ()
    return tuple(_demand(plan, one) if one.replayed else None for one in fits)


def _demand(plan: Mapping[str, Any], one: Fit) -> Demand:
    rate, cards = plan["requests_per_s"], plan["cards_per_model"]
    return demand(rate, one.steps_per_request, one.step_s or 0, one.requests_at_once, cards)

"""Makes results/capacity.html: what fits, and the cards that a request rate needs, with the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.capacity.engine_plan import EnginePlan
from kvbench.capacity.fit import Fit
from kvbench.capacity.memory import GIB, Room
from kvbench.capacity.plan import Answer
from kvbench.capacity.rate import Demand
from kvbench.kv.groups import FULL, MLA, SLIDING
from kvbench.model.slots import itemsize
from kvbench.report.calculator import script
from kvbench.report.cells import number
from kvbench.report.html import figure, page

TEMPLATE = "capacity.html.j2"
KINDS = {
    FULL: "full layers",
    SLIDING: "sliding layers, of the last {window:,}",
    MLA: "layers with a latent vector (MLA)",
}


def render(answers: Sequence[Answer], pictures: Sequence[Path], data: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        pictures: svg or png files.
        data: what the page computes with (`calculator.document`).
    """
    shown = {"plans": [_view(one) for one in answers], "figures": [figure(path) for path in pictures]}
    return page(TEMPLATE, **shown, data=script(data))


def _view(answer: Answer) -> dict[str, Any]:
    """The values of a plan that the template shows."""
    trace = answer.trace
    return {
        "name": answer.name,
        "plan": answer.plan,
        "room": answer.room,
        "memory": memory_table(answer.room, answer.plan["block_size"]),
        "engine": engine_text(answer.engine, answer.plan["max_length"]),
        "replayed": answer.room.shape.keeps_all,
        "prompt_mean": number(float(trace.prompt_tokens.mean())),
        "output_mean": number(float(trace.output_tokens.mean())),
        "final_mean": number(float(trace.final_tokens.mean())),
        "fits": fits_table(answer),
        "demands": demands_table(answer),
        "step": step_text(answer.plan.get("step_time")),
    }


def memory_table(room: Room, block_size: int) -> pd.DataFrame:
    """Each quantity with the arithmetic behind it."""
    shape, card, size = room.shape, room.card, itemsize(room.dtype)
    gib = f"{card.memory_gib:g} GiB"
    cards = f"{room.cards} × " if room.cards > 1 else ""
    usable = room.cards * card.usable_bytes
    share = f"({card.memory_fraction:g} − {card.activation_reserve:g})"
    rows = [
        *_cached(room),
        ("weights", f"{shape.parameters:,} parameters × {size} bytes", _gib(room.weights_bytes)),
        ("for weights and KV cache", f"{cards}{share} × {gib}", _gib(usable)),
        ("KV cache", f"{_gib(usable)} − {_gib(room.weights_bytes)}", _gib(room.kv_bytes)),
        ("slots", f"{room.kv_bytes:,} // {room.slot_bytes:,}", f"{room.slots:,}"),
        ("blocks", _blocks(room, block_size), f"{room.blocks(block_size):,}"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "arithmetic", "value"])


def _cached(room: Room) -> list[tuple[str, str, str]]:
    """What a token takes: in all layers, or in each group of layers and in a slot."""
    shape, size = room.shape, room.kv_itemsize
    if shape.kv_heads:
        slot = f"2 × {shape.layers} layers × {shape.kv_heads} KV heads × {shape.head_dim} × {size} bytes"
        return [("slot: K and V of a token", slot, f"{room.slot_bytes:,} bytes")]
    rows = [
        (
            f"a token in {KINDS[group.kind].format(window=group.window)}",
            f"{group.layers} layers × {group.elements:,} elements × {size} bytes",
            f"{group.token_elements * size:,} bytes",
        )
        for group in shape.groups
    ]
    slot = "a token in all layers" if len(shape.groups) == 1 else "a token in one layer"
    return [*rows, ("slot", slot, f"{room.slot_bytes:,} bytes")]


def _blocks(room: Room, block_size: int) -> str:
    if len(room.shape.groups) == 1:
        return f"{room.slots:,} // {block_size}"
    return f"{room.kv_bytes:,} // ({block_size} tokens × {room.paging.page_units} layers × {room.slot_bytes:,})"


def engine_text(engine: EnginePlan, max_length: int) -> str:
    """What vLLM would log of this memory."""
    return (
        f"{engine.blocks:,} blocks, its null block among them; a KV cache of {engine.size_tokens:,} tokens; maximum "
        f"concurrency for {max_length:,} tokens per request: {engine.max_concurrency:.2f}x"
    )


def fits_table(answer: Answer) -> pd.DataFrame:
    """Requests at once, by arithmetic and by replay."""
    return pd.DataFrame([_fit_row(one, answer.room.slots) for one in answer.fits])


def _fit_row(one: Fit, slots: int) -> dict[str, str]:
    return {
        "policy": one.policy,
        "pool / slots of a request": _over(slots, one.mean_slots),
        "pool / slots held over steps": _over(slots, one.held_slots),
        "requests at once, replay": number(one.requests_at_once) if one.replayed else "not replayed",
        "limited by": number(one.limited_by),
        "pool held (%)": _percent(one.pool_held_share),
        "live of held (%)": _percent(one.live_share),
        "preemptions a request": number(one.preemptions_per_request),
    }


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share)


def _over(slots: int, held: float | None) -> str:
    return number(held) if held is None else f"{slots:,} / {number(held)} = {number(slots / held)}"


def demands_table(answer: Answer) -> pd.DataFrame:
    """The cards that each policy needs, with Little's law written out; empty without a rate."""
    pairs = zip(answer.fits, answer.demands, strict=False)
    return pd.DataFrame([_demand_row(fit, need, answer.room.cards) for fit, need in pairs if need])


def _demand_row(fit: Fit, need: Demand, cards_per_model: int) -> dict[str, str]:
    ratio = f"{number(need.in_service)} / {number(fit.requests_at_once)} → {need.groups}"
    rate, time = number(need.requests_per_s), number(need.time_s)
    return {
        "policy": fit.policy,
        "step (ms)": number(1000 * (fit.step_s or 0)),
        "W: steps × step (s)": f"{number(fit.steps_per_request)} × {number(fit.step_s)} = {time}",
        "L = λ W (requests)": f"{rate} × {time} = {number(need.in_service)}",
        "L / requests at once": ratio + (f", × {cards_per_model}" if cards_per_model > 1 else ""),
        "cards": number(need.cards),
        "most requests/s": number(need.most_per_s),
    }


def step_text(step: dict[str, Any] | None) -> str:
    """The step time as given, with its source; empty if none is given."""
    if not step:
        return ""
    each = {"per_sequence_s": "sequences", "per_token_s": "tokens computed", "prefill_s": "steps with a prompt"}
    terms = [f"{step['constant_s']:g} s", *(f"{step[key]:g} s × {of}" for key, of in each.items() if step.get(key))]
    return f"{' + '.join(terms)} ({step['source']})"


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"

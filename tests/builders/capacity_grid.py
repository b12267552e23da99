"""Plans that between them have every kind of shape, number type, card, workload and limit, and answers to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from builders.capacity_pages import STEP
from builders.plans import CARD, KNOWN, make_plan
from kvbench.capacity.fit import POLICIES
from kvbench.capacity.memory import GIB, Card, Room
from kvbench.capacity.plan import demands_of, engine_of, fits_of, settings_of
from kvbench.capacity.shapes import shape_of_plan
from kvbench.kv.groups import token_elements
from kvbench.replay import Trace, replay
from kvbench.workload.lengths import draw_lengths

SLIDING = {"kind": "sliding", "layers": 6, "kv_heads": 2, "head_dim": 32, "window": 64}
WIDER = {**SLIDING, "layers": 5, "window": 300}
FULL = {"kind": "full", "layers": 4, "kv_heads": 2, "head_dim": 32}
LATENT = {"kind": "mla", "layers": 7, "latent": 48, "rope": 16}
SHAPES = {
    "plain": {"layers": 5, "kv_heads": 3, "head_dim": 40, "parameters": 10**9 + 7},
    "one window": {"groups": [SLIDING], "parameters": 10**8},
    "two windows": {"groups": [SLIDING, WIDER, FULL], "parameters": 3 * 10**8 + 1},
    "latent": {"groups": [LATENT], "parameters": 12345678},
}
NAMED = ("llama-2-7b", "llama-3.1-8b", "gemma-3-27b", "gpt-oss-20b", "gemma-2-27b", "deepseek-v3")


def plans() -> Iterator[dict[str, Any]]:
    """About 80 plans; memory binds in most of them."""
    for model, kv_dtype, (tokens, block_size) in product(NAMED, ("auto", "fp8"), ((4000, 16), (2600, 128))):
        yield tight({"model": model}, tokens, kv_dtype=kv_dtype, dtype="bfloat16", block_size=block_size)
    for shape, dtype, (tokens, block_size) in product(SHAPES, ("float32", "float16"), ((1500, 1), (4100, 32))):
        yield tight({"shape": SHAPES[shape]}, tokens, dtype=dtype, block_size=block_size)
    for model, rate in product(("llama-2-7b", "gemma-3-27b"), (0.25, 30, 4000)):
        for step in (STEP, {"constant_s": 0.0, "per_token_s": 3.3e-5, "source": "a test"}):
            yield tight({"model": model}, 3000, requests_per_s=rate, step_time=step, cards_per_model=3)
    for model, (limit, value) in product(
        ("llama-2-7b", "gpt-oss-20b"),
        (("max_running", 5), ("max_running", 1), ("max_step_tokens", 24), ("max_step_tokens", 1)),
    ):
        yield tight({"model": model}, 9000, **{limit: value})
    for workload, requests, length in (("alpaca", 2500, 900), ("sharegpt", 1500, 2048), ("mixed", 20000, 130)):
        for model in ("llama-3.1-8b", "gemma-3-27b"):
            yield tight({"model": model}, 12000, workload=workload, requests=requests, max_length=length)
    for gib, cards, kv_dtype in ((80, 3, "auto"), (79.65, 2, "fp8"), (180.4, 1, "fp8_e5m2"), (16384, 9, "auto")):
        yield make_plan(
            card={**CARD, "memory_gib": gib}, cards_per_model=cards, kv_dtype=kv_dtype, model="llama-3.1-70b"
        )


def tight(model: Mapping[str, Any], tokens: int, **given: Any) -> dict[str, Any]:
    """A plan on cards with room for about so many tokens beside the weights."""
    plan = make_plan(**{"requests": 1200, "max_running": 280, **given, **model})
    if "shape" in model:
        del plan["model"]
    room = Room(shape_of(plan), plan["dtype"], Card(**CARD), plan["cards_per_model"], plan.get("kv_dtype", "auto"))
    wanted = room.weights_bytes + tokens * token_elements(room.shape.groups) * room.kv_itemsize
    memory_gib = wanted / 0.85 / GIB / plan["cards_per_model"]
    return {**plan, "card": {**CARD, "memory_gib": memory_gib}}


def shape_of(plan: Mapping[str, Any]) -> Any:
    """The shape of a plan."""
    return shape_of_plan(plan, KNOWN, "capacity.x")


def lengths_of(plan: Mapping[str, Any], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Prompt and output lengths of a plan."""
    return draw_lengths(plan["workload"], plan["requests"], seed, plan["workload"])


def python_answer(plan: Mapping[str, Any], prompt: np.ndarray, output: np.ndarray) -> dict[str, Any]:
    """What Python computes of a plan for requests of these lengths, the totals of its replays included."""
    trace = Trace.of(prompt, output)
    room = Room(
        shape_of(plan), plan["dtype"], Card(**plan["card"]), plan["cards_per_model"], plan.get("kv_dtype", "auto")
    )
    fits = fits_of(trace, room, plan, "capacity.x")
    demands = demands_of(plan, fits) or (None,) * len(fits)
    totals = {}
    for one in fits:
        if one.replayed:
            totals[one.policy] = asdict(replay(trace, settings_of(one.policy, room, plan)).totals)
    return {
        "memory": [room.weights_bytes, room.kv_bytes, room.slot_bytes, room.slots, room.blocks(plan["block_size"])],
        "engine": [
            engine_of(room, plan).blocks,
            engine_of(room, plan).size_tokens,
            engine_of(room, plan).max_concurrency,
        ],
        "fits": dict(zip(POLICIES, map(asdict, fits), strict=True)),
        "demands": {policy: asdict(one) if one else None for policy, one in zip(POLICIES, demands, strict=True)},
        "totals": totals,
    }

"""Program: serve tiny models with prefix sharing and with other number types of the cache, and write what was found.

    python -m builders.serve_caches FOLDER

vLLM's engines end the process groups of others in their process, so tests start this in a process of its own.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders.engine_settings import engine_settings
from builders.requests import requests_of
from builders.tiny import generate
from kvbench.engines.base import Engine, EngineSettings
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.errors import UserError
from kvbench.kv.groups import token_elements
from kvbench.measure.loading import check_pool
from kvbench.model.architecture import read_architecture
from kvbench.model.shape import make_config
from kvbench.model.slots import cache_itemsize
from kvbench.workload.read import Request

MAX_LENGTH, BLOCK, WINDOW = 224, 32, 64
PASSES = RecordedPasses(blocks=[0, 1, 2], kept=[0])
SHARING = {"llama": 120, "llama small": 8, "gemma3": 700, "gemma3 small": 48}  # blocks of the pool
REFUSED = {
    "head of 40": {"head_dim": 40},
    "fp8, head of 80": {"head_dim": 80, "kv_dtype": "fp8"},
    "float16 beside float32": {"kv_dtype": "float16"},
    "fp8, latent": {"kv_dtype": "fp8", "latent": True},
}
PLAIN = {"heads": 4, "kv_heads": 2, "intermediate_size": 256, "vocab_size": 512, "max_position_embeddings": 512}
LATENT = {
    "layers": 1,
    "hidden_size": 128,
    "intermediate_size": 256,
    "heads": 4,
    "kv_heads": 4,
    "vocab_size": 512,
    "kv_lora_rank": 512,
    "q_lora_rank": 64,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "max_position_embeddings": 512,
    "moe_intermediate_size": 64,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}


def shape(kind: str, head_dim: int = 32) -> dict[str, Any]:
    """A tiny model: `llama`, or `gemma3` with five sliding layers and one full one."""
    sizes = {**PLAIN, "head_dim": head_dim, "hidden_size": 4 * head_dim}
    if kind == "gemma3":
        return {"model_type": "gemma3_text", "layers": 6, "sliding_window": WINDOW, **sizes}
    return {"model_type": "llama", "layers": 2, **sizes}


def settings_of(
    folder: Path, model: dict[str, Any], blocks: int, engine: str = "vllm", **changes: Any
) -> EngineSettings:
    """Settings on the CPU with a pool of `blocks` pages of a block table; 0: room for some requests."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(make_config(model, folder.name)))
    groups, kv_dtype = read_architecture(folder, folder.name).groups, changes.get("kv_dtype", "auto")
    itemsize = cache_itemsize(kv_dtype, "float32")
    made = engine_settings(engine, groups=groups, kv_itemsize=itemsize, **changes, **_shared(folder))
    budget = blocks * made.block_bytes if blocks else 4 * MAX_LENGTH * token_elements(groups) * itemsize
    return engine_settings(
        engine, groups=groups, kv_itemsize=itemsize, budget_bytes=budget, **changes, **_shared(folder)
    )


def _shared(folder: Path) -> dict[str, Any]:
    return {"model_path": str(folder), "random_weights": True, "max_length": MAX_LENGTH, "block_size": BLOCK}


def alike() -> list[Request]:
    """Requests with common beginnings of 150 tokens, of 64 with nothing after them, of 20, of none, and of 96."""
    prefix = [(5 * j) % 400 + 5 for j in range(150)]
    prompts = [[*prefix, *((11 * i + 3 * j) % 400 + 5 for j in range(10 + i))] for i in range(6)]
    prompts += [prefix[:64], prefix[:64], [*prefix[:20], *range(300, 380)], list(range(200, 330)), prefix]
    prompts.append([*prefix, *range(100, 140)])
    prompts += [[*prefix[:96], *range(300, 390)], [*prefix[:96], *range(250, 340)]]
    return requests_of([(prompt, 6 + 3 * (i % 5)) for i, prompt in enumerate(prompts)])


def serve(settings: EngineSettings, passes: int) -> dict[str, Any]:
    """What passes over the requests of `alike` returned, and the load's checks."""
    engine = make_engine(settings)
    engine.prepare(PASSES)
    try:
        engine.load()
        loaded = check_pool(engine)
        done = [engine.collect(generate(engine, alike()), number) for number in range(passes)]
        interval = engine.in_force().get("prefix_cache_retention_interval")
        return {"settings": engine.settings, "loaded": loaded, "passes": done, "interval": interval}
    finally:
        engine.close()


def make_engine(settings: EngineSettings) -> Engine:
    """The engine of the settings; each library is imported only where it is asked for."""
    if settings.engine.startswith("hf-"):
        from kvbench.engines.transformers import by_name

        return by_name.make_engine(settings)
    from kvbench.engines.vllm.runner import VllmEngine

    return VllmEngine(settings)


def refusal(settings: EngineSettings) -> str:
    """The line with which the engine is refused; empty if it loads."""
    engine = make_engine(settings)
    try:
        engine.load()
    except UserError as error:
        return str(error)
    finally:
        engine.close()
    return ""


def main(folder: Path) -> None:
    found: dict[str, Any] = {}

    def model(name: str, made: dict[str, Any], blocks: int, **changes: Any) -> EngineSettings:
        return settings_of(folder / name.replace(" ", "-"), made, blocks, **changes)

    own = model("hf", shape("llama"), 120, engine="hf-continuous", prefix_sharing=True)
    tasks: dict[str, Callable[[], Any]] = {"hf": lambda own=own: serve(own, 1)}
    for name, blocks in SHARING.items():
        own = model(name, shape(name.split()[0]), blocks, prefix_sharing=True)
        tasks[name] = lambda own=own: serve(own, 3)
    tasks["fp8"] = lambda: serve(model("fp8", shape("llama"), 12, kv_dtype="fp8"), 1)
    for name, changes in REFUSED.items():
        made = {"model_type": "deepseek_v3", **LATENT} if changes.pop("latent", False) else None
        made = made or shape("llama", changes.pop("head_dim", 32))
        tasks[name] = lambda name=name, made=made, changes=changes: refusal(model(name, made, 0, **changes))
    for name, task in tasks.items():
        try:
            found[name] = task()
        except UserError as error:
            found[name] = str(error)
    (folder / "found.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

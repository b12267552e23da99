"""Falcon, whose KV heads Transformers and vLLM store differently: each engine counts what it stores, in one budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import IMPORT_PATH

transformers = pytest.importorskip("transformers")

HEADS, KV_HEADS, HEAD_DIM, LAYERS, BLOCKS = 8, 2, 64, 2, 8
PROGRAM = """
import dataclasses, sys
from pathlib import Path
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.engines.transformers.by_name import make_engine
from kvbench.engines.vllm.runner import VllmEngine
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.loading import load_engine
from kvbench.model.architecture import read_architecture
from kvbench.model.slots import slot_bytes
from builders.tiny import BLOCK, generate, tiny_requests, tiny_settings

folder, name, blocks = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
architecture = read_architecture(folder, "falcon")
budget = blocks * BLOCK * slot_bytes(architecture, 4)
sizes = {"groups": architecture.groups, "kv_itemsize": 4, "budget_bytes": budget, "random_weights": True}
settings = dataclasses.replace(tiny_settings(folder, name, blocks), **sizes)
engine = VllmEngine(settings) if name == "vllm" else make_engine(settings)
engine.prepare(RecordedPasses(blocks=[0]))
try:
    loaded = load_engine(engine, print)
    requests = tiny_requests([(20, 10), (5, 30)])
    generated = engine.collect(generate(engine, requests), 0)
    kv_rows(generated, requests, slot_bytes=engine.settings.slot_bytes, static_length=None, shared=False)
    print("checked", engine.settings.slot_bytes, engine.capacity()["blocks"], loaded.checks, sep=";", flush=True)
finally:
    engine.close()
"""


@pytest.fixture(scope="module")
def falcon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("falcon")
    config = transformers.FalconConfig(
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_kv_heads=KV_HEADS,
        new_decoder_architecture=True,
        hidden_size=HEADS * HEAD_DIM,
        vocab_size=512,
        bos_token_id=1,
        eos_token_id=1,
        architectures=["FalconForCausalLM"],
    )
    config.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("engine", "kv_heads", "blocks", "checks"),
    [("hf-batch", HEADS, "None", {}), ("vllm", KV_HEADS, str(BLOCKS * HEADS // KV_HEADS), {"pool_bytes": 1})],
)
def test_each_library_counts_the_heads_that_it_stores(falcon: Path, engine: str, kv_heads: int, blocks: str, checks):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(falcon), engine, str(BLOCKS)],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = next((line for line in done.stdout.splitlines() if line.startswith("checked")), done.stderr[-2000:])
    assert said == f"checked;{2 * LAYERS * kv_heads * HEAD_DIM * 4};{blocks};{checks}"

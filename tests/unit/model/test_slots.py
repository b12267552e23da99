"""Bytes per slot, element types, and the record that holds the architecture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders.models import architecture, model_record
from hypothesis import given
from hypothesis import strategies as st

from kvbench.errors import UserError
from kvbench.kv.groups import LayerGroup
from kvbench.model.record import ModelRecord
from kvbench.model.slots import cache_itemsize, itemsize, resolve_dtype, slot_bytes, token_bytes

SMOLLM2 = architecture(layers=30, attention_heads=9, kv_heads=3, head_dim=64)


def test_slot_bytes_of_known_models():
    assert slot_bytes(SMOLLM2, 2) == 23_040
    llama_7b = architecture(layers=32, kv_heads=32, head_dim=128)
    assert slot_bytes(llama_7b, 2) == 512 * 1024
    opt_13b = architecture(layers=40, kv_heads=40, head_dim=128)
    assert slot_bytes(opt_13b, 2) == 800 * 1024  # the PagedAttention paper's 800 KB per token


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 256), st.sampled_from([2, 4]))
def test_slot_bytes_grow_with_each_size(layers, kv_heads, head_dim, size):
    one, other = (architecture(layers=layers, kv_heads=heads, head_dim=head_dim) for heads in (kv_heads, kv_heads + 1))
    assert slot_bytes(other, size) - slot_bytes(one, size) == 2 * layers * head_dim * size


def test_a_slot_of_several_groups_is_a_token_in_one_layer():
    groups = (LayerGroup("sliding", 5, 128, 64), LayerGroup("full", 1, 128))
    hybrid = replace(SMOLLM2, groups=groups)
    assert (slot_bytes(hybrid, 2), token_bytes(hybrid, 2)) == (256, 6 * 256)


def test_groups_survive_the_record(tmp_path: Path):
    hybrid = replace(SMOLLM2, groups=(LayerGroup("sliding", 5, 128, 64), LayerGroup("full", 1, 128)))
    record = replace(model_record(path=tmp_path, files={}, folder=tmp_path), architecture=hybrid)
    (tmp_path / "model.json").write_text(json.dumps(record.to_json()))
    assert ModelRecord.load(tmp_path / "model.json").architecture == hybrid


@pytest.mark.parametrize(("kv_dtype", "size"), [("auto", 4), ("fp8", 1), ("fp8_e5m2", 1), ("bfloat16", 2)])
def test_an_element_of_the_cache_has_the_caches_own_size(kv_dtype: str, size: int):
    assert cache_itemsize(kv_dtype, "float32") == size


def test_an_unknown_type_of_the_cache_is_named():
    with pytest.raises(UserError, match="kv_dtype: 'int3' is unknown; use one of auto, float16"):
        cache_itemsize("int3", "float32")


def test_attention_heads_do_not_count():
    assert slot_bytes(replace(SMOLLM2, attention_heads=18), 2) == slot_bytes(SMOLLM2, 2)


@pytest.mark.parametrize(
    ("dtype", "device", "expected"),
    [
        ("auto", "cpu", "float32"),
        (None, "cpu", "float32"),
        ("auto", "cuda", "bfloat16"),
        ("auto", "cuda:1", "bfloat16"),
        ("float16", "cpu", "float16"),
        ("float32", "cuda", "float32"),
    ],
)
def test_resolve_dtype(dtype, device, expected):
    assert resolve_dtype(dtype, device) == expected


@pytest.mark.parametrize(("dtype", "device", "named"), [("int8", "cpu", "int8"), ("auto", "tpu", "tpu")])
def test_unknown_dtype_or_device_is_named(dtype, device, named):
    with pytest.raises(UserError, match=named):
        resolve_dtype(dtype, device)


def test_itemsize():
    assert [itemsize(name) for name in ("float32", "bfloat16", "float16")] == [4, 2, 2]


def test_record_survives_a_move(tmp_path: Path):
    record = model_record(path=tmp_path / "a" / "model", files={"x": "1"}, revision="v", folder=tmp_path / "a")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.json").write_text(json.dumps(record.to_json()))
    assert ModelRecord.load(tmp_path / "a" / "model.json") == record
    (tmp_path / "a").rename(tmp_path / "b")
    assert ModelRecord.load(tmp_path / "b" / "model.json").path == tmp_path / "b" / "model"


def test_record_keeps_an_outside_path(tmp_path: Path):
    record = model_record(path=Path("/models/m"), folder=tmp_path)
    assert record.to_json()["path"] == "/models/m"


@pytest.mark.parametrize("content", ["[]", "{}", '{"architecture": {"layers": 1}}', "{"])
def test_broken_record_is_named(tmp_path: Path, content: str):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(UserError, match=r"model\.json"):
        ModelRecord.load(tmp_path / "model.json")

"""Orders with every `auto` resolved: the parity gate adapts to the model, and its errors name its own keys."""

import dataclasses
from pathlib import Path

import pytest
from builders.models import byte_model
from builders.orders import order_settings

from kvbench.engines.vllm.arguments import own_arguments
from kvbench.errors import UserError
from kvbench.files import write_json
from kvbench.measure.orders import Order, resolve, slots_of_block

pytestmark = pytest.mark.engine

SLOT_BYTES = 2 * 2 * 2 * 16 * 4  # of the test model, in float32


def order(folder: Path, purpose: str, maximum: int, **changes) -> Order:
    model = byte_model(folder / "model", maximum=maximum)
    write_json(folder / "environment.json", {"device": "cpu"})
    settings = order_settings(purpose=purpose, **changes)
    return Order(settings, folder / "environment.json", model.folder / "model.json", folder / "workload.parquet", {})


@pytest.mark.parametrize(
    ("purpose", "maximum", "expected"), [("parity", 128, 128), ("parity", 2048, 192), ("measure", 128, 192)]
)
def test_the_gate_takes_what_positions_there_are(tmp_path: Path, purpose: str, maximum: int, expected: int):
    assert resolve(order(tmp_path, purpose, maximum)).max_length == expected


def test_a_model_without_a_longest_sequence_limits_nothing(tmp_path: Path):
    asked = order(tmp_path, "parity", 128)
    endless = dataclasses.replace(asked.record.architecture, max_position_embeddings=None)
    write_json(asked.model, dataclasses.replace(asked.record, architecture=endless).to_json())
    assert resolve(dataclasses.replace(asked)).max_length == 192  # a copy, which has nothing cached yet


def test_the_gate_has_room_for_a_request_of_any_model(tmp_path: Path):
    small = {"kv_budget_mib": 0.01}
    assert resolve(order(tmp_path, "parity", 2048, **small)).budget_bytes == 192 * SLOT_BYTES
    with pytest.raises(UserError, match=r"config.yaml: kv_budget_mib: 0.0 MiB does not hold one request"):
        resolve(order(tmp_path, "measure", 2048, **small))


@pytest.mark.parametrize(("engine", "slots"), [("vllm-contiguous", 192), ("vllm-reserved", 32), ("hf-continuous", 32)])
def test_one_block_holds_a_request_only_where_that_is_the_engine(tmp_path: Path, engine: str, slots: int):
    assert resolve(order(tmp_path, "measure", 2048, engine=engine)).block_size == slots
    assert slots_of_block(engine, 32, 161) == slots


@pytest.mark.parametrize("max_length", [1, 31, 33, 100, 192])
@pytest.mark.parametrize("block_size", [32, 64])
def test_contiguous_and_reserved_engines_admit_equally_many_requests(tmp_path: Path, max_length: int, block_size: int):
    changes = {"max_length": max_length, "block_size": block_size, "kv_budget_mib": 0.3}
    contiguous, reserved = (
        resolve(order(tmp_path / engine, "measure", 2048, engine=engine, **changes))
        for engine in ("vllm-contiguous", "vllm-reserved")
    )
    row = -(-max_length // block_size) * block_size
    assert (contiguous.block_size, reserved.block_size) == (row, block_size)
    assert own_arguments(contiguous) == own_arguments(reserved)
    assert contiguous.budget_blocks == contiguous.reserved_rows == int(0.3 * 2**20) // (row * SLOT_BYTES)
    assert reserved.budget_blocks >= reserved.reserved_rows * row // block_size


def test_a_gate_that_memory_cannot_hold_names_its_key(tmp_path: Path):
    with pytest.raises(UserError, match=r"config.yaml: parity.kv_budget_mib: .* exceed the .* of free memory"):
        resolve(order(tmp_path, "parity", 2048, kv_budget_mib=10**9))

"""Requested settings against settings in force, in the forms that libraries use."""

from enum import Enum, IntEnum
from types import SimpleNamespace

import pytest
from builders.engine_settings import engine_settings

from kvbench.engines.in_force import compare_in_force, same
from kvbench.errors import UserError


class Mode(Enum):
    FULL = "full"


class Level(IntEnum):
    NONE = 0


@pytest.mark.parametrize(
    ("asked", "in_force"),
    [
        (8, 8.0), (0.3, 0.3 + 1e-9), ("full", Mode.FULL), ("float32", "torch.float32"), (None, 3), ("auto", 7),
        ([1, 2], (1, 2)), ({"mode": "full"}, SimpleNamespace(mode=Mode.FULL, other=1)), ("NONE", Level.NONE),
        (True, True),
    ],
)  # fmt: skip
def test_the_same_value_in_other_words(asked, in_force):
    assert same(asked, in_force)


@pytest.mark.parametrize(
    ("asked", "in_force"),
    [
        (0.004, 0.01), (8, 9), (True, False), ("full", "none"), ([1, 2], [1]), (8, None), (8, "eight"),
        ({"mode": "full"}, SimpleNamespace(other=1)),
    ],
)  # fmt: skip
def test_another_value(asked, in_force):
    assert not same(asked, in_force)


def test_a_temperature_that_the_engine_raises_is_refused():
    with pytest.raises(UserError) as error:
        compare_in_force(
            engine_settings("vllm", temperature=0.004, top_p=0.9), {"temperature": 0.01, "top_p": 0.9, "top_k": 0}
        )
    assert str(error.value) == (
        "config.yaml: sampling.temperature: vllm uses 0.01 instead of the requested 0.004; write 0.01, or remove the "
        "engine from these runs"
    )


def test_top_p_counts_only_where_tokens_are_drawn():
    assert compare_in_force(engine_settings("vllm", top_p=0.9), {"temperature": 0.0, "top_p": 1.0}) == {}
    with pytest.raises(UserError, match=r"sampling\.top_p: vllm uses 1.0 instead of the requested 0.9"):
        compare_in_force(engine_settings("vllm", temperature=0.5, top_p=0.9), {"temperature": 0.5, "top_p": 1.0})


def test_threads_count_on_a_cpu_alone():
    assert compare_in_force(engine_settings("vllm", device="cuda", threads=2), {"threads": 1}) == {}
    with pytest.raises(UserError, match=r"cpu_threads: vllm uses 1 instead of the requested 2"):
        compare_in_force(engine_settings("vllm", threads=2), {"threads": 1})


def test_an_option_that_the_engine_changes_is_told():
    asked = {"max_num_seqs": 7, "enable_chunked_prefill": True, "unknown_to_it": 3}
    reported = {"options": {"max_num_seqs": 7, "enable_chunked_prefill": False}}
    assert compare_in_force(engine_settings("vllm", options=asked), reported) == {
        "enable_chunked_prefill": {"asked": True, "in_force": False}
    }

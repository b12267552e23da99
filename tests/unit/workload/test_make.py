"""Each kind of workload for a model with a tokenizer and for a bare shape."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from builders.models import BOS, EOS, bare_model, byte_model

from kvbench.errors import UserError
from kvbench.files import write_parquet
from kvbench.model.record import ModelRecord
from kvbench.records import WORKLOAD
from kvbench.workload.draws import stream
from kvbench.workload.fixed_prompts import GUIDE, PARITY
from kvbench.workload.make import make_workload
from kvbench.workload.options import DEFAULTS, workload_options
from kvbench.workload.read import Request, read_workload
from kvbench.workload.sentences import paragraph
from kvbench.workload.table import lengths_of
from kvbench.workload.vocabulary import load_vocabulary

SYNTHETIC = ("mixed", "sharegpt", "alpaca", "shared-prefix", "parallel-sampling")


@pytest.fixture
def text_model(tmp_path: Path) -> ModelRecord:
    return byte_model(tmp_path / "text")


@pytest.fixture
def shape_model(tmp_path: Path) -> ModelRecord:
    return bare_model(tmp_path / "shape")


def make(settings: dict, model: ModelRecord, seed: int = 0, max_length: int = 2048, live: bool = False):
    return make_workload(settings, "w", seed, max_length, model, live=live)


def ids_of(table) -> list[list[int]]:
    return table["prompt_token_ids"].to_pylist()


@pytest.mark.engine
@pytest.mark.parametrize("kind", SYNTHETIC)
def test_synthetic_prompts_are_text_of_the_exact_length(kind, text_model):
    table = make({"kind": kind}, text_model)
    assert table.schema == WORKLOAD
    for ids, text in zip(ids_of(table), table["text"].to_pylist(), strict=True):
        assert not {BOS, EOS} & set(ids)
        assert bytes(text, "ascii") == text.encode()
        assert len(text) == len(ids)  # one token per byte in this model


@pytest.mark.parametrize("kind", SYNTHETIC)
def test_a_bare_shape_gets_random_ids(kind, shape_model):
    table = make({"kind": kind}, shape_model)
    assert table["text"].null_count == len(table)
    seen = {i for ids in ids_of(table) for i in ids}
    assert not {1, 2} & seen  # its special ids
    assert max(seen) < 300
    assert len(seen) > 150


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["mixed", "sharegpt", "alpaca"])
def test_lengths_do_not_depend_on_the_model(kind, text_model, shape_model):
    one, other = (lengths_of(make({"kind": kind}, model)) for model in (text_model, shape_model))
    assert np.array_equal(one, other)


def test_the_seed_decides(shape_model):
    first, again, other = (make({"kind": "mixed"}, shape_model, seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_the_same_on_every_machine(shape_model):
    content = repr(make({"kind": "sharegpt", "requests": 50}, shape_model, seed=5).to_pydict())
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == "3b9739cac8f07d37"
    assert hashlib.sha256(paragraph(stream(0, "t"), 50).encode()).hexdigest()[:16] == "0966f1b115c7899b"


def test_prompts_begin_differently(shape_model):
    starts = [tuple(ids[:8]) for ids in ids_of(make({"kind": "mixed", "requests": 64}, shape_model))]
    assert len(set(starts)) == 64


@pytest.mark.engine
def test_guide_to_the_letter(text_model):
    table = make({"kind": "guide"}, text_model, max_length=1024)
    assert table["text"].to_pylist() == list(GUIDE)
    assert table["output_tokens"].to_pylist() == [50] * 4
    assert GUIDE[2] == "Tell me a story about artificial intelligence and machine learning. " * 10
    assert ids_of(table)[0][0] == BOS
    assert [len(ids) for ids in ids_of(table)] == [len(prompt) + 1 for prompt in GUIDE]


@pytest.mark.engine
def test_guide_is_truncated_on_the_right_to_leave_room(text_model):
    whole = ids_of(make({"kind": "guide"}, text_model, max_length=1024))[2]
    table = make({"kind": "guide"}, text_model, max_length=512)
    assert ids_of(table)[2] == whole[: 512 - 50]
    assert table["text"][2].as_py().endswith(GUIDE[2][: 512 - 51])
    assert table["text"][0].as_py() == GUIDE[0]
    with pytest.raises(UserError, match="leave no room in max_length 50"):
        make({"kind": "guide"}, text_model, max_length=50)


@pytest.mark.engine
def test_parity_prompts(text_model):
    table = make({"kind": "parity", "prompts": 16, "output_tokens": 50}, text_model)
    assert table["text"].to_pylist() == list(PARITY)
    assert len(set(PARITY)) == 16
    assert len(make({"kind": "parity", "prompts": 3, "output_tokens": 5}, text_model)) == 3


@pytest.mark.engine
@pytest.mark.parametrize(("maximum", "room"), [(2048, 142), (128, 78)])
def test_the_gate_fits_itself_to_another_tokenizer_and_to_few_positions(maximum, room, tmp_path):
    model = byte_model(tmp_path / "bytes", maximum=maximum)
    table = make({"kind": "parity", "output_tokens": 50}, model, max_length=192, live=True)
    lengths = [len(ids) for ids in ids_of(table)]
    assert lengths == [min(len(text.encode()) + 1, room) for text in PARITY]
    assert table["text"][0].as_py() == PARITY[0]
    assert table["text"][15].as_py().endswith(PARITY[15][: room - 1])


@pytest.mark.engine
def test_a_gate_that_cannot_fit_names_its_key(tmp_path):
    model = byte_model(tmp_path / "bytes", maximum=32)
    with pytest.raises(UserError, match=r"parity.output_tokens: 50 output tokens leave no room in the model's maximum"):
        make({"kind": "parity", "output_tokens": 50}, model, max_length=192, live=True)


@pytest.mark.parametrize("kind", ["guide", "parity"])
def test_text_needs_a_tokenizer(kind, shape_model):
    with pytest.raises(UserError, match="model tiny has no tokenizer"):
        make({"kind": kind}, shape_model)


def test_shared_prefix(shape_model):
    settings = {"kind": "shared-prefix", "requests": 5, "prefix_tokens": 40, "suffix_tokens": 10, "output_tokens": 7}
    prompts = ids_of(make(settings, shape_model))
    assert [len(prompt) for prompt in prompts] == [50] * 5
    assert len({tuple(prompt[:40]) for prompt in prompts}) == 1
    assert len({prompt[40] for prompt in prompts} | {tuple(prompt[40:]) for prompt in prompts}) > 5


def test_parallel_sampling(shape_model):
    settings = {"kind": "parallel-sampling", "requests": 3, "samples": 4, "prompt_tokens": 20, "output_tokens": 6}
    table = make(settings, shape_model)
    prompts = [tuple(ids) for ids in ids_of(table)]
    assert [len(set(prompts[i : i + 4])) for i in (0, 4, 8)] == [1, 1, 1]
    assert len(set(prompts)) == 3
    assert len(set(table["request_id"].to_pylist())) == 12


def test_requests_that_do_not_fit(shape_model, tmp_path):
    with pytest.raises(UserError, match=r"128 prompt \+ 32 output tokens are more than max_length 100"):
        make({"kind": "parallel-sampling"}, shape_model, max_length=100)
    with pytest.raises(UserError, match="the model's maximum of 60 tokens"):
        make({"kind": "parallel-sampling"}, bare_model(tmp_path / "short", maximum=60))
    assert sum(lengths_of(make({"kind": "sharegpt"}, shape_model, max_length=300))).max() <= 300


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "w.kind: None is unknown; use one of guide"),
        ({"kind": "chat"}, "w.kind: 'chat' is unknown"),
        ({"kind": "mixed", "request": 3}, "w.request: unknown key; did you mean requests"),
        ({"kind": "mixed", "requests": 0}, "w.requests: 0 is not allowed; use a whole number"),
        ({"kind": "mixed", "requests": "16"}, "w.requests: '16' is not allowed"),
        ({"kind": "mixed", "requests": True}, "w.requests: True is not allowed"),
        ({"kind": "parity", "prompts": 17}, "w.prompts: there are only 16 prompts"),
        ({"kind": "user"}, "w.file: give the path"),
        ({"kind": "user", "file": "x", "too_long": "cut"}, "w.too_long: 'cut' is unknown"),
    ],
)
def test_bad_options(settings, message):
    with pytest.raises(UserError) as caught:
        workload_options(settings, "w")
    assert f"config.yaml: workloads.{message}" in str(caught.value)


def test_every_kind_has_its_defaults():
    from kvbench.workload.make import KINDS

    assert KINDS.keys() == DEFAULTS.keys()


def test_engines_are_not_asked_for_more_than_the_model_can(tmp_path):
    model = bare_model(tmp_path / "m", maximum=256)
    with pytest.raises(UserError, match=r"config.yaml: max_length: 257 is more than tiny's maximum of 256 tokens"):
        make_workload({"kind": "mixed"}, "w", 0, 257, model, live=True)
    assert len(make_workload({"kind": "mixed"}, "w", 0, 256, model, live=True)) == 16
    assert len(make_workload({"kind": "mixed"}, "w", 0, 257, model)) == 16


def test_read_back(shape_model, tmp_path):
    table = make({"kind": "mixed"}, shape_model)
    write_parquet(tmp_path / "w.parquet", table)
    requests = read_workload(tmp_path / "w.parquet")
    assert [request.request_id for request in requests] == table["request_id"].to_pylist()
    first = requests[0]
    assert first == Request(first.request_id, None, tuple(ids_of(table)[0]), table["output_tokens"][0].as_py(), 0.0)
    assert first.final_kv_tokens == len(first.prompt_token_ids) + first.output_tokens - 1


@pytest.mark.engine
def test_transformers_tokenizer_is_used_without_the_fast_copy(text_model):
    vocabulary = load_vocabulary(text_model)
    assert vocabulary.special == {BOS, EOS}
    assert vocabulary.tokenizer.encode(["ab"], special=False) == [vocabulary.tokenizer.encode(["ab"])[0][1:]]

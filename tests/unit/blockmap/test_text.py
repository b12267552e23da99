"""Texts of prompts and tokens, with a tokenizer of bytes, whose tokens end inside characters."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.changed_runs import replace_rows
from builders.mapped_runs import mapped_run, workload_of
from builders.simulated_requests import Request

from kvbench.blockmap import text
from kvbench.blockmap.document import make
from kvbench.files import read_parquet

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def tokenizer():
    """A token for each byte."""
    import tokenizers

    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    return made


@pytest.mark.parametrize("said", ["plain words", "wörld 世界 🙂.", "", "<script>alert(1)</script>"])
def test_the_texts_of_tokens_are_together_the_text_of_all(tokenizer, said: str) -> None:
    ids = tokenizer.encode(said).ids
    texts = text.token_texts(tokenizer, ids)
    assert len(texts) == len(ids)
    assert "".join(texts) == said


def test_a_token_that_ends_inside_a_character_adds_nothing(tokenizer) -> None:
    assert text.token_texts(tokenizer, tokenizer.encode("aö.").ids) == ["a", "", "ö", "."]


def test_a_last_token_that_ends_inside_a_character_is_shown_as_such(tokenizer) -> None:
    assert text.token_texts(tokenizer, tokenizer.encode("aö").ids[:2]) == ["a", text.UNFINISHED]


def test_without_a_tokenizer_only_the_workload_s_own_text_is_known(tmp_path: Path) -> None:
    assert text.load_tokenizer(tmp_path / "model.json") is None
    assert text.token_texts(None, [1]) is None
    assert text.prompt_text(None, None, [1]) is None
    assert text.prompt_text(None, "said", [1]) == "said"


def test_a_long_prompt_is_cut(tokenizer) -> None:
    found = text.prompt_text(tokenizer, "x" * 10_000, [])
    assert len(found) == text.MOST_CHARACTERS + 1
    assert found.endswith("…")


def test_a_document_has_the_texts_of_its_first_side(tokenizer, tmp_path: Path, monkeypatch) -> None:
    requests = [Request("a", 4, 3), Request("b", 5, 2)]
    path = mapped_run(tmp_path, "vllm", requests, slots=544)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rows = read_parquet(path.parent / "requests.parquet").to_pandas()
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    repeat = kv[kv["phase"] == "blocks"]["repeat"].iloc[0]
    mine = rows[rows["repeat"] == 1].assign(repeat=repeat)
    mine["output_token_ids"] = [tokenizer.encode(said).ids for said in ("abc", "ö")]
    replace_rows(path.parent / "requests.parquet", mine)
    workload = workload_of(requests, tmp_path, ["told", None])

    def described() -> list[tuple]:
        found = make("m", "w", [path], workload, tmp_path / "model.json")["requests"]
        return [(one["prompt"], one["output"]) for one in found]

    assert described()[0] == ("told", ["a", "b", "c"])
    assert described()[1][1] == ["", "ö"]
    assert isinstance(described()[1][0], str)
    monkeypatch.setattr("kvbench.blockmap.document.MOST_TOKENS", 4)
    assert [output for _, output in described()] == [None, None]

"""A model's vocabulary: its size, its special ids and its tokenizer, if it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kvbench.errors import UserError
from kvbench.files import read_record
from kvbench.model.record import ModelRecord


class Tokenizer(Protocol):
    """Converts text to ids and back."""

    def encode(self, texts: Sequence[str], limit: int | None = None, special: bool = True) -> list[list[int]]:
        """The first `limit` ids of each text; `special` adds the special tokens that the model expects, such as BOS."""

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each list of ids."""

    def special_ids(self) -> set[int]:
        """Ids of special tokens, which represent no text."""


class FastTokenizer:
    """A tokenizer.json read by the `tokenizers` library, which loads in 0.1 s; transformers takes 7 s."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()

    def encode(self, texts: Sequence[str], limit: int | None = None, special: bool = True) -> list[list[int]]:
        if limit:
            self._tokenizer.enable_truncation(limit)
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=special)
        self._tokenizer.no_truncation()
        return [one.ids for one in encoded]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return self._tokenizer.decode_batch([list(map(int, one)) for one in ids], skip_special_tokens=False)

    def special_ids(self) -> set[int]:
        return {i for i, token in self._tokenizer.get_added_tokens_decoder().items() if token.special}


class TransformersTokenizer:
    """Any other tokenizer, loaded by transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str], limit: int | None = None, special: bool = True) -> list[list[int]]:
        options = {"truncation": True, "max_length": limit} if limit else {}
        return self._tokenizer(list(texts), add_special_tokens=special, **options)["input_ids"]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return [self._tokenizer.decode(list(map(int, one)), clean_up_tokenization_spaces=False) for one in ids]

    def special_ids(self) -> set[int]:
        return set(self._tokenizer.all_special_ids)


@dataclass(frozen=True)
class Vocabulary:
    """`size` ids, of which `special` never appear in synthetic prompts; `tokenizer` is None for a bare shape."""

    model: str
    size: int
    special: frozenset[int]
    tokenizer: Tokenizer | None = None

    def require_tokenizer(self, name: str) -> Tokenizer:
        """The tokenizer; UserError if the model has none, since the workload `name` contains text."""
        if self.tokenizer is None:
            raise UserError(
                f"workload {name}: it contains text, but model {self.model} has no tokenizer; "
                "use mixed, sharegpt, alpaca or token ids with this model"
            )
        return self.tokenizer


def load_vocabulary(model: ModelRecord) -> Vocabulary:
    """The vocabulary of a prepared model."""
    size = model.architecture.vocab_size
    tokenizer = _load_tokenizer(model) if model.tokenizer else None
    special = _config_special_ids(model) | (tokenizer.special_ids() if tokenizer else set())
    return Vocabulary(model.name, size, frozenset(i for i in special if 0 <= i < size), tokenizer)


def _load_tokenizer(model: ModelRecord) -> Tokenizer:
    if model.fast_tokenizer:
        from tokenizers import Tokenizer as Fast

        return FastTokenizer(Fast.from_file(str(model.fast_tokenizer)))
    from transformers import AutoTokenizer

    return TransformersTokenizer(AutoTokenizer.from_pretrained(model.path, trust_remote_code=False))


def _config_special_ids(model: ModelRecord) -> set[int]:
    config = read_record(model.path / "config.json")
    values = [config.get(f"{name}_token_id") for name in ("bos", "eos", "pad", "unk")]
    return {i for value in values for i in (value if isinstance(value, list) else [value]) if isinstance(i, int)}

"""Texts of prompts and of each generated token, by the model's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST_TOKENS = 200_000  # generated tokens of all requests; beyond, their texts would be most of a document
MOST_CHARACTERS = 4_000  # of a prompt
UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # a token that ends inside a character


def load_tokenizer(model_file: str | Path) -> Any:
    """The tokenizer that `prepare_model` put beside model.json; None if there is none or the package is missing."""
    file = Path(model_file).with_name("tokenizer.json")
    if not file.exists():
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    return Tokenizer.from_file(str(file))


def prompt_text(tokenizer: Any, text: str | None, token_ids: Sequence[int]) -> str | None:
    """The text of a prompt, shortened if it is long; None if it is not known."""
    if text is None and tokenizer is not None:
        text = tokenizer.decode(list(token_ids))
    if text is not None and len(text) > MOST_CHARACTERS:
        return text[:MOST_CHARACTERS] + "…"
    return text


def token_texts(tokenizer: Any, token_ids: Sequence[int]) -> list[str] | None:
    """The text that each token adds, together the text of all; None without a tokenizer.

    A token is decoded after those before it, because spaces and accents depend on them. One that ends inside a
    character adds nothing, and the next one adds both.
    """
    if tokenizer is None:
        return None
    texts, shown, begin = [], 0, 0
    for end in range(1, len(token_ids) + 1):
        known, text = (tokenizer.decode(list(token_ids[begin:stop])) for stop in (shown, end))
        if text.endswith(UNFINISHED) and end < len(token_ids):
            texts.append("")
            continue
        texts.append(text[len(known) :])
        begin, shown = shown, end
    return texts

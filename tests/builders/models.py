"""Model records, and small prepared models with a byte tokenizer or without a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kvbench.model.record import Architecture, ModelRecord

BOS, EOS = 256, 257


def architecture(**sizes: int | None) -> Architecture:
    """Two layers with four attention heads, two KV heads and a head dimension of 16."""
    given = {
        "layers": 2,
        "attention_heads": 4,
        "kv_heads": 2,
        "head_dim": 16,
        "hidden_size": 64,
        "vocab_size": 300,
        "parameters": 10_000,
        "max_position_embeddings": 2048,
    }
    return Architecture(**given | sizes)


def model_record(**given: Any) -> ModelRecord:
    """Return the record of a `shape` model without a tokenizer."""
    record = {"name": "tiny", "source": "shape", "path": Path("/models/tiny"), "tokenizer": False}
    return ModelRecord(**record | {"dtype": "auto", "architecture": architecture()} | given)


def bare_model(folder: Path, vocab_size: int = 300, maximum: int = 2048) -> ModelRecord:
    """Prepare a `shape` model whose special token ids are 1 and 2."""
    ids = {"bos_token_id": 1, "eos_token_id": [2], "pad_token_id": None}
    return _prepared(folder, ids, vocab_size, maximum)


def byte_model(folder: Path, vocab_size: int = 300, maximum: int = 2048) -> ModelRecord:
    """Prepare a model whose tokenizer maps each byte to a token and prepends BOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {"bos_token_id": BOS, "eos_token_id": EOS}
    return _prepared(folder, ids, vocab_size, maximum, source="path", tokenizer=True)


def _prepared(folder: Path, ids: dict, vocab_size: int, maximum: int, **given: Any) -> ModelRecord:
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.json").write_text(json.dumps(ids))
    sizes = architecture(vocab_size=vocab_size, max_position_embeddings=maximum)
    record = model_record(path=folder / "model", architecture=sizes, folder=folder, **given)
    (folder / "model.json").write_text(json.dumps(record.to_json()))
    return ModelRecord.load(folder / "model.json")

"""Small prepared models: one with a byte tokenizer, one that is a bare shape."""

from __future__ import annotations

import json
from pathlib import Path

from kvbench.model.record import Architecture, ModelRecord

BOS, EOS = 256, 257


def bare_model(folder: Path, vocab_size: int = 300, maximum: int = 2048) -> ModelRecord:
    """A `shape` model whose special ids are 1 and 2."""
    return _record(folder, False, {"bos_token_id": 1, "eos_token_id": [2], "pad_token_id": None}, vocab_size, maximum)


def byte_model(folder: Path, vocab_size: int = 300, maximum: int = 2048) -> ModelRecord:
    """A model whose tokenizer makes a token of each byte and puts BOS in front."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return _record(folder, True, {"bos_token_id": BOS, "eos_token_id": EOS}, vocab_size, maximum)


def _record(folder: Path, tokenizer: bool, config: dict, vocab_size: int, maximum: int) -> ModelRecord:
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.json").write_text(json.dumps(config))
    architecture = Architecture(2, 4, 2, 16, 64, vocab_size, 10_000, maximum)
    source = "path" if tokenizer else "shape"
    record = ModelRecord("tiny", source, folder / "model", tokenizer, "auto", architecture, folder=folder)
    (folder / "model.json").write_text(json.dumps(record.to_json()))
    return ModelRecord.load(folder / "model.json")

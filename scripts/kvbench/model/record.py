"""`model.json` as an object: where a model's files are, and its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import read_record
from kvbench.kv.groups import FULL, LayerGroup


@dataclass(frozen=True)
class Architecture:
    """The sizes that decide a model's memory; `head_dim` and the rest are in elements.

    `kv_heads` and `head_dim` are those of the keys in the first layer of Transformers' cache. `groups` say what all
    layers cache; without them, every layer caches K and V of that size for every token. `max_position_embeddings` is
    None if the model sets no limit of its own, as with ALiBi. `active_parameters` are those that one token is computed
    with, fewer than all in a mixture of experts; None if that is not known.
    """

    layers: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    vocab_size: int
    parameters: int
    max_position_embeddings: int | None
    groups: tuple[LayerGroup, ...] = ()
    active_parameters: int | None = None

    def __post_init__(self) -> None:
        plain = LayerGroup(FULL, self.layers, 2 * self.kv_heads * self.head_dim)
        object.__setattr__(self, "groups", tuple(self.groups) or (plain,))

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Architecture:
        """From the entry of model.json."""
        return cls(**{**found, "groups": tuple(LayerGroup.of(group) for group in found.get("groups", ()))})


@dataclass(frozen=True)
class ModelRecord:
    """A prepared model.

    `path` is the absolute folder of config.json, weights and tokenizer (a `shape` model: of config.json alone),
    `dtype` the configured one, still `auto` where it was; `files` maps file names to their SHA-256.
    """

    name: str
    source: str
    path: Path
    tokenizer: bool
    dtype: str
    architecture: Architecture
    files: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    folder: Path | None = None  # where model.json lies; not part of it

    @classmethod
    def load(cls, path: str | Path) -> ModelRecord:
        """Read `model.json`; a relative `path` in it counts from the file's own folder."""
        folder = Path(path).resolve().parent
        record = read_record(path)
        try:
            architecture = Architecture.of(record.pop("architecture"))
            return cls(**{**record, "architecture": architecture, "path": folder / record["path"], "folder": folder})
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a model record ({error}); delete it and run again") from None

    def to_json(self) -> dict[str, Any]:
        """The content of `model.json`; a path below its folder stays relative, so that a checkout may move."""
        record = asdict(self)
        folder = record.pop("folder")
        inside = folder is not None and self.path.is_relative_to(folder)
        record["path"] = str(self.path.relative_to(folder)) if inside else str(self.path)
        record["files"] = dict(self.files)
        return record

    @property
    def fast_tokenizer(self) -> Path | None:
        """The tokenizer.json that `prepare_model` wrote beside model.json, or None."""
        file = self.folder / "tokenizer.json" if self.folder else None
        return file if file and file.is_file() else None

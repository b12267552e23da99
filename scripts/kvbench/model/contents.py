"""The files of a prepared model: what `prepare_model` found, and whether the files on the disk are still that.

Weights are too large to be read before each run. Like Git's index, `files.json` beside model.json holds what can be
compared at once: size, time stamp and the first MiB, in which the header of a safetensors file and its first weights
are. A file of which one of these differs is read.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from kvbench.errors import UserError
from kvbench.files import read_json, write_json
from kvbench.model.folder import model_files
from kvbench.model.record import ModelRecord
from kvbench.provenance.states import State
from kvbench.provenance.wording import Damage

NAME = "files.json"
HEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Known:
    """A file as `prepare_model` found it; `head` is the SHA-256 of its first MiB."""

    state: State
    head: str

    def untouched(self, path: Path) -> bool:
        """Whether nothing shows that the file has been written since."""
        return self.state.untouched(path) and _head(path) == self.head


@dataclass(frozen=True)
class Change:
    """A file that is not what it was: `state` is None if nothing was known of it, `missing` whether it is gone."""

    path: Path
    state: State | None
    missing: bool = False


def remember(record: ModelRecord) -> None:
    """Write files.json of a model that has just been prepared."""
    found = {}
    for name, path in _paths(record).items():
        state = State.of(path, record.files.get(path.name) if path.parent == record.path else None)
        found[name] = {**asdict(state), "head": _head(path)}
    write_json(record.folder / NAME, found)


def changes(record: ModelRecord, *, restamp: bool = False) -> list[Change]:
    """The files of a prepared model that are gone, new or of another content, in the order of their names.

    Without files.json all files are read. `restamp` writes it anew where only time stamps differ.
    UserError for a files.json that is none.
    """
    known, there = _known(record), _paths(record)
    found, moved = [], False
    for name in sorted({*known, *there}):
        if name not in there:
            found.append(Change(record.folder / name, known[name].state, missing=True))
        elif name not in known:
            found.append(Change(there[name], None))
        elif not known[name].untouched(there[name]):
            if State.of(there[name]).sha256 != known[name].state.sha256:
                found.append(Change(there[name], known[name].state))
            moved = True
    if restamp and moved and not found:
        remember(record)
    return found


def check(record: ModelRecord) -> None:
    """UserError for a model whose files are not those that model.json describes."""
    for change in changes(record):
        if change.missing or change.state is None or record.source == "path":
            what = "is gone" if change.missing else "has changed"
            described = record.folder / "model.json"
            raise UserError(f"{change.path} {what} since {described} was written; run the same command again")
        raise UserError(damage(change).line())


def damage(change: Change) -> Damage:
    """What a user is told of a file that only kvbench may write."""
    return Damage(str(change.path), "prepare_model", change.state)


def _known(record: ModelRecord) -> dict[str, Known]:
    file = record.folder / NAME
    if not file.is_file():
        return _described(record)
    try:
        return {
            name: Known(State(**{key: one[key] for key in State.__dataclass_fields__}), one["head"])
            for name, one in read_json(file).items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{file}: not the states of a model's files ({error}); delete it and run again") from None


def _described(record: ModelRecord) -> dict[str, Known]:
    """The files that model.json describes, whose content alone is known, and the tokenizer beside it, as it is."""
    own = record.fast_tokenizer
    found = {_name(record, own): Known(State.of(own), _head(own))} if own else {}
    return found | {_name(record, record.path / name): Known(State(-1, d, -1), "") for name, d in record.files.items()}


def _paths(record: ModelRecord) -> dict[str, Path]:
    """The files of a model, with the tokenizer that is beside model.json, by the names in files.json."""
    own = [record.fast_tokenizer] if record.fast_tokenizer else []
    found = model_files(record.path) if record.path.is_dir() else []
    return {_name(record, path): path for path in [*found, *own]}


def _name(record: ModelRecord, path: Path) -> str:
    """A path below the folder of model.json stays relative, so that a checkout may move."""
    return str(path.relative_to(record.folder) if path.is_relative_to(record.folder) else path)


def _head(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()

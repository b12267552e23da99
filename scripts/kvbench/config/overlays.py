"""Lay overlays over config.yaml: what an overlay leaves out stays, but a thing that becomes another starts anew.

Snakemake's own merge knows no kinds: an entry that becomes another kind would keep keys of what it was, and no entry
could be taken away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kvbench.config.wording import suggest
from kvbench.errors import UserError
from kvbench.yaml_files import parse_value, read_yaml

COMMAND_LINE = "--config"
Place = tuple[str, ...]

# Sections whose entries the user names.
NAMED = ("models", "workloads", "benchmarks", "capacity", "replays")
# What tells one thing from another, by its place (* is any name): with another value nothing of the old one stays.
KINDS = {
    ("models", "*"): "source",
    ("models", "*", "shape"): "model_type",
    ("workloads", "*"): "kind",
    ("benchmarks", "*"): "kind",
    ("capacity", "*", "card"): "name",
    ("capacity", "*", "step_time"): "source",
    ("replays", "*", "step_time"): "source",
}
# Of these keys a thing has one: with another of them it is another thing.
ALTERNATIVES = {("capacity", "*"): ("model", "shape"), ("replays", "*"): ("workload", "file")}
# Handed on as they are, so that null is a value there.
OPEN = (("engines", "*"), ("models", "*", "shape"))


class Layers:
    """Settings laid over one another: `config` is what they come to."""

    def __init__(self, config: Mapping, source: str) -> None:
        self.config = dict(config)
        self._sources: dict[Place, str] = {}
        self._note(config, (), source)

    def lay(self, settings: Mapping, source: str) -> None:
        """Lay settings over those that are there; UserError where they take away what is not there."""
        self.config = self._merged(self.config, settings, (), source)

    def origin(self, at: str) -> str:
        """What set the key at `at`, such as `workloads.mixed.file` or `runs[0].repeats`; failing that, what changed
        last what it is in.
        """
        sources = {".".join(place): source for place, source in self._sources.items()}
        around = [key for key in sources if at == key or not key or at.startswith((f"{key}.", f"{key}["))]
        return sources[max(around, key=len)]

    def _merged(self, old: Mapping, new: Mapping, place: Place, source: str) -> dict:
        merged = dict(old)
        for key, value in new.items():
            at, below = (*place, str(key)), old.get(key)
            if value is None and _is_removal(at):
                self._remove(merged, key, at, source)
            elif isinstance(value, Mapping) and isinstance(below, Mapping) and not _is_other(below, value, at):
                merged[key] = self._merged(below, value, at, source)
                self._sources[at] = source
            else:
                merged[key] = _anew(below, value)
                self._forget(at)
                self._note(merged[key], at, source)
        return merged

    def _remove(self, merged: dict, key: Any, at: Place, source: str) -> None:
        if key not in merged and at[0] in NAMED:
            hint = suggest(at[-1], map(str, merged)) if merged else "leave it out"
            raise UserError(f"{source}: {'.'.join(at)}: nothing of this name is there to take away; {hint}")
        if key in merged:
            del merged[key]
        else:
            merged[key] = None  # the schema knows whether this may be
        self._forget(at)
        self._sources[at[:-1]] = source

    def _forget(self, at: Place) -> None:
        self._sources = {place: source for place, source in self._sources.items() if place[: len(at)] != at}

    def _note(self, value: Any, at: Place, source: str) -> None:
        self._sources[at] = source
        if isinstance(value, Mapping):
            for key, item in value.items():
                self._note(item, (*at, str(key)), source)


def read_layers(base: str | Path | None, files: Iterable[str | Path], arguments: Iterable[str]) -> Layers:
    """config.yaml (None: left out), the files of `--configfile` and the `KEY=VALUE` of `--config`, in this order.

    UserError names the file and line of a mistake.
    """
    layers = Layers({} if base is None else _read(base), "config.yaml" if base is None else os.path.relpath(base))
    for path in files:
        layers.lay(_read(path), os.path.relpath(path))
    for argument in arguments:
        key, _, value = argument.partition("=")
        layers.lay({key: parse_value(value)}, COMMAND_LINE)
    return layers


def _read(path: str | Path) -> Mapping:
    settings = read_yaml(os.path.relpath(path))
    if not isinstance(settings, Mapping | None):
        raise UserError(f"{os.path.relpath(path)}: the whole file is not a mapping of keys; write lines of key: value")
    return settings or {}


def _is_removal(at: Place) -> bool:
    """Whether null takes away; a whole section that is null the schema fills or refuses."""
    pattern = _pattern(at)
    return len(at) > 1 and not any(pattern[: len(place)] == place and len(at) > len(place) for place in OPEN)


def _is_other(old: Mapping, new: Mapping, at: Place) -> bool:
    """Whether the new mapping is another thing than the old one, and no change of it."""
    key, keys = KINDS.get(_pattern(at)), ALTERNATIVES.get(_pattern(at), ())
    if key is not None:
        return new.get(key) is not None and new[key] != old.get(key)
    had, has = ({name for name in keys if side.get(name) is not None} for side in (old, new))
    return bool(has) and has != had


def _pattern(at: Place) -> Place:
    return (at[0], "*", *at[2:]) if len(at) > 1 else at


def _anew(old: Any, new: Any) -> Any:
    """A thing that takes the place of another, less the keys of the other that it takes away by null."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {key: value for key, value in new.items() if value is not None or key not in old}

"""Merge overlays into config.yaml: keys that an overlay leaves out stay, but an entry of another kind is replaced.

Snakemake's own merge knows no kinds: an entry that changes its kind would keep keys of the old kind, and no entry could
be removed.
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
# The key that identifies an entry, by its place (* is any name): if its value changes, the old entry is replaced.
KINDS = {
    ("models", "*"): "source",
    ("models", "*", "shape"): "model_type",
    ("workloads", "*"): "kind",
    ("benchmarks", "*"): "kind",
    ("capacity", "*", "card"): "name",
    ("capacity", "*", "step_time"): "source",
    ("replays", "*", "step_time"): "source",
}
# An entry has exactly one of these keys: if an overlay gives the other one, the old entry is replaced.
ALTERNATIVES = {("capacity", "*"): ("model", "shape"), ("replays", "*"): ("workload", "file")}
# Sections passed on as they are, so that null is a value there.
OPEN = (("engines", "*"), ("models", "*", "shape"))


class Layers:
    """Settings merged over one another; `config` is the result."""

    def __init__(self, config: Mapping, source: str) -> None:
        self.config = dict(config)
        self._sources: dict[Place, str] = {}
        self._note(config, (), source)

    def lay(self, settings: Mapping, source: str) -> None:
        """Merge settings over the present ones; UserError if they remove an entry that does not exist."""
        self.config = self._merged(self.config, settings, (), source)

    def origin(self, at: str) -> str:
        """The source that set the key at `at`, such as `workloads.mixed.file` or `runs[0].repeats`; if the key was not
        set, the source that last changed the section around it.
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
            raise UserError(f"{source}: {'.'.join(at)}: there is no entry of this name to remove; {hint}")
        if key in merged:
            del merged[key]
        else:
            merged[key] = None  # the schema decides whether null is allowed here
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
    """Merge config.yaml (unless `base` is None), the `--configfile` files and the `KEY=VALUE` arguments of `--config`.

    Later ones override earlier ones. UserError names the file and line of a mistake.
    """
    layers = Layers({} if base is None else _read(base), "config.yaml" if base is None else os.path.relpath(base))
    for path in files:
        layers.lay(_read(path), os.path.relpath(path))
    for argument in arguments:
        key, _, value = argument.partition("=")
        layers.lay({key: parse_value(value, COMMAND_LINE)}, COMMAND_LINE)
    return layers


def _read(path: str | Path) -> Mapping:
    settings = read_yaml(os.path.relpath(path))
    if not isinstance(settings, Mapping | None):
        raise UserError(f"{os.path.relpath(path)}: the file is not a mapping; write lines of key: value")
    return settings or {}


def _is_removal(at: Place) -> bool:
    """Whether null removes the entry; null for a whole section is filled in or refused by the schema."""
    pattern = _pattern(at)
    return len(at) > 1 and not any(pattern[: len(place)] == place and len(at) > len(place) for place in OPEN)


def _is_other(old: Mapping, new: Mapping, at: Place) -> bool:
    """Whether the new mapping replaces the old one instead of changing some of its keys."""
    key, keys = KINDS.get(_pattern(at)), ALTERNATIVES.get(_pattern(at), ())
    if key is not None:
        return new.get(key) is not None and new[key] != old.get(key)
    had, has = ({name for name in keys if side.get(name) is not None} for side in (old, new))
    return bool(has) and has != had


def _pattern(at: Place) -> Place:
    return (at[0], "*", *at[2:]) if len(at) > 1 else at


def _anew(old: Any, new: Any) -> Any:
    """The new value in place of the old one, without the old one's keys that it sets to null."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {key: value for key, value in new.items() if value is not None or key not in old}

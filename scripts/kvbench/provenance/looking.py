"""At the start of a call: every file that is asked for and was made before is still what its rule wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from kvbench.errors import UserError
from kvbench.provenance.manifest import FOLDER, Manifest, read_all
from kvbench.provenance.states import State
from kvbench.provenance.wording import Damage, told


def look(asked: Collection[str], *, also: Sequence[Damage] = (), dry: bool = False, folder: Path = FOLDER) -> None:
    """UserError if files of `asked` have another content than their manifests say, or for what is known `also`.

    Files that are missing are no concern of it: they are made again. A file is read only if its size or time stamp is
    another. If the content is the same, as it is in a copy, the manifest gets the new time stamp, so that the next call
    need not read it; not in a dry run.
    """
    asked = set(asked)
    damaged = [*also]
    for one in read_all(folder):
        own = asked.intersection(one.outputs)
        moved = {path: one.outputs[path] for path in own if _is_moved(path, one.outputs[path])}
        changed = {path for path, state in moved.items() if not state.holds(path)}
        damaged += [Damage(path, one.rule, one.outputs[path]) for path in changed]
        if not dry and moved.keys() - changed:
            _restamp(one, moved.keys() - changed, folder)
    if damaged:
        raise UserError(told(sorted(damaged, key=lambda one: one.path)))


def _is_moved(path: str, state: State) -> bool:
    with suppress(FileNotFoundError):
        return not state.untouched(path)
    return False


def _restamp(one: Manifest, paths: Iterable[str], folder: Path) -> None:
    """Write a manifest with the time stamps of files whose content is the same."""
    fresh = {path: State.of(path, one.outputs[path].sha256) for path in paths}
    with suppress(OSError):  # results that may only be read
        one.with_outputs({**one.outputs, **fresh}).write(folder)

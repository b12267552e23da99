"""The models that earlier calls have prepared: which have changed, and which are damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kvbench.errors import UserError
from kvbench.model.contents import changes, damage
from kvbench.model.record import ModelRecord
from kvbench.provenance.wording import Damage


class Prepared:
    """What is to be done about models, from their files `model.json` that are there.

    `outdated` are those to be written again: a file that kvbench wrote or fetched is gone, or the user's folder has
    changed. `damaged` are files that only kvbench may write and somebody has changed. Snakemake sees neither.
    """

    def __init__(self, records: Iterable[str], *, restamp: bool) -> None:
        self.outdated: list[str] = []
        self.damaged: list[Damage] = []
        for file in sorted(records):
            if Path(file).is_file():
                self._look_at(file, restamp)

    def _look_at(self, file: str, restamp: bool) -> None:
        try:
            record = ModelRecord.load(file)
            found = changes(record, restamp=restamp)
        except (UserError, OSError):  # the manifest of model.json or its reader tells
            return
        changed = [one for one in found if not one.missing and one.state is not None]
        if record.source == "path" or len(found) > len(changed):
            self.outdated += [file] if found else []
        else:
            self.damaged += map(damage, changed)

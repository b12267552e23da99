"""Runs the rule of a map: writes its document, or one that says why there is none, so that the report can be made."""

from __future__ import annotations

import logging
from typing import Any

from kvbench.adapter import job
from kvbench.blockmap.document import make, without_sides, write
from kvbench.blockmap.embedded import shown
from kvbench.errors import UserError

log = logging.getLogger(__name__)
LONGEST_ERROR = 300


def draw(snakemake: Any) -> None:
    """Write the map of the rule's inputs.

    After an unexpected exception, such as AccountingError where a map does not add up, the log has a traceback, the
    terminal a line, and the document a sentence. UserError, MemoryError and OSError fail the job.
    """
    with job(snakemake) as task:
        given, chosen = snakemake.input, snakemake.wildcards
        point = getattr(chosen, "point", None)
        names = chosen.model, shown(chosen.workload, point) if point else chosen.workload
        try:
            document = make(*names, given.runs, given.workload, given.model)
        except (UserError, MemoryError, OSError):
            raise
        except Exception as error:
            log.exception("not drawn")
            told = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_ERROR]
            reason = f"The map could not be made: {told}. Details: {snakemake.log[0]}"
            task.tell(reason)
            document = without_sides(*names, reason)
        write(snakemake.output.map, document)

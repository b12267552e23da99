"""What every plot script shares: draw, save, and a picture of words where that fails, so that the report is made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from kvbench.adapter import Job, job
from kvbench.errors import UserError
from kvbench.figures.not_drawn import mark, sentence
from kvbench.figures.saving import save
from kvbench.figures.style import said

log = logging.getLogger(__name__)
logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table of every font


def plot(snakemake: Any, draw: Callable[[Any], Figure]) -> None:
    """Run a plot rule: write the figure that `draw` makes of the job to its outputs.

    An unexpected exception leaves a traceback in the log, a line on the terminal and figures that hold a sentence. What
    the user, the memory or the disk must mend (UserError, MemoryError, OSError) fails the job, as in other rules.
    """
    with job(snakemake) as task:
        try:
            save(draw(snakemake), snakemake.output, snakemake.params.dpi)
        except (UserError, MemoryError, OSError):
            raise
        except Exception as error:
            log.exception("not drawn")
            _say_so(task, sentence(error, snakemake.log[0]), snakemake)


def _say_so(task: Job, text: str, snakemake: Any) -> None:
    task.tell(text)
    save(said(text), snakemake.output, snakemake.params.dpi, description=mark(text))

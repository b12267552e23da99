"""Runs a plot rule: draws and saves a figure, or a picture of the error, so that the report can still be made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from matplotlib.figure import Figure

from kvbench.adapter import Job, job
from kvbench.errors import UserError
from kvbench.figures.not_drawn import mark, sentence
from kvbench.figures.saving import save
from kvbench.figures.style import said

log = logging.getLogger(__name__)
logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every table of every font


def plot(snakemake: Any) -> None:
    """Run a plot rule: draw the figure that `params.module` names and write it to the rule's outputs."""
    with job(snakemake) as task:
        draw_or_say(task, import_module(snakemake.params.module).from_job, snakemake)


def draw_or_say(task: Job, draw: Callable[[Any], Figure], snakemake: Any) -> None:
    """Write the figure that `draw` makes from the job to the job's outputs.

    After an unexpected exception the log has a traceback, the terminal a line, and the outputs show a sentence. Errors
    that need a correction by the user or more memory or disk space (UserError, MemoryError, OSError) fail the job.
    """
    try:
        save(draw(snakemake), snakemake.output, snakemake.params.dpi)
    except (UserError, MemoryError, OSError):
        raise
    except Exception as error:
        log.exception("not drawn")
        text = sentence(error, snakemake.log[0])
        task.tell(text)
        save(said(text), snakemake.output, snakemake.params.dpi, description=mark(text))

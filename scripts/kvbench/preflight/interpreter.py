"""The path of the Python that runs Snakemake, in a form with which Snakemake can start scripts."""

from __future__ import annotations

import os
import shlex

from kvbench.errors import UserError


def startable(executable: str) -> str:
    """A path of `executable` that needs no quotes in a shell, since Snakemake does not quote it.

    Links in the folders are resolved, but `python` itself is not: in a virtual environment it is a link to another
    installation. UserError if the resolved path needs quotes too.
    """
    real = os.path.join(os.path.realpath(os.path.dirname(executable)), os.path.basename(executable))
    plain = next((path for path in (executable, real) if shlex.quote(path) == path), None)
    if plain is None:
        problem = "Snakemake cannot start a Python whose path contains a space, a quote or a similar character"
        raise UserError(f"{executable}: {problem}; remove .venv and run make setup, which puts it elsewhere")
    return plain

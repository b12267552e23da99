"""The Python that runs Snakemake, by a path that Snakemake can start scripts with."""

from __future__ import annotations

import os
import shlex

from kvbench.errors import UserError


def startable(executable: str) -> str:
    """`executable` by a path that a shell needs no quotes for, since Snakemake writes none around it.

    The folders are followed through links, `python` itself is not: in an environment it is a link to another's.
    UserError where that path needs quotes too.
    """
    real = os.path.join(os.path.realpath(os.path.dirname(executable)), os.path.basename(executable))
    plain = next((path for path in (executable, real) if shlex.quote(path) == path), None)
    if plain is None:
        problem = "Snakemake cannot start a Python by a path with a space, a quote or the like"
        raise UserError(f"{executable}: {problem}; remove .venv and run make setup, which puts it elsewhere")
    return plain

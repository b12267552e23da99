"""A job that stops itself (SIGSTOP) at a place that a test names, so that what happens next happens just there."""

from __future__ import annotations

from pathlib import Path

HOOK = """
import os, signal, sys
sys.path.insert(0, {scripts!r})
from kvbench.lifetime import link
enter, replace = link.phase, os.replace
def stop_at(place):
    if str(place).endswith({place!r}):
        os.kill(os.getpid(), signal.SIGSTOP)
def entering(name):
    enter(name)
    stop_at(name)
def replacing(source, target, **given):
    stop_at(target)
    replace(source, target, **given)
link.phase, os.replace = entering, replacing
"""


def stopping_at(place: str, tree: Path, folder: Path) -> dict[str, str]:
    """The environment of a call in `tree` whose jobs stop when they enter the phase `place`.

    Or just before the file whose name ends so is complete. The hook goes into `folder`.
    """
    (folder / "sitecustomize.py").write_text(HOOK.format(scripts=str(tree / "scripts"), place=place))
    return {"PYTHONPATH": str(folder)}

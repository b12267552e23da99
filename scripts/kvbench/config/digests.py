"""Digests of the code that a rule runs, from which Snakemake knows when its outputs are outdated.

Snakemake does not track the modules that a script imports. These digests are `params` of each rule, so a change in the
code reruns only the rules that use it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kvbench.config.module_facts import ModuleFacts, RememberedFacts

SCRIPTS = Path(__file__).resolve().parents[2]


def code_digest(script: str, *also: str, modules: Iterable[str] = ()) -> str:
    """Digest of `scripts/<script>.py`, of all kvbench modules that it imports, directly or not, and of files in `also`.

    `modules` are modules that the script imports by a name given at run time. The syntax tree is hashed without
    docstrings, so that comments and layout do not count either. Modules named in strings, such as a scheduler class
    that vLLM imports by its path, count as imported.
    """
    digest = hashlib.sha256()
    begin = [SCRIPTS / f"{script}.py", *(file for name in modules for file in _module_files(name))]
    for path in sorted(_closure(begin)):
        digest.update(str(path.relative_to(SCRIPTS)).encode())
        digest.update(bytes.fromhex(_facts(path).code))
    for name in also:
        digest.update((SCRIPTS.parent / name).read_bytes())
    _remembered(SCRIPTS).save()
    return digest.hexdigest()[:16]


def _closure(begin: Iterable[Path]) -> set[Path]:
    """The files in `begin` and all files that they import, directly or not."""
    seen: set[Path] = set()
    waiting = list(begin)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imported(path))
    return seen


@cache
def _remembered(scripts: Path) -> RememberedFacts:
    return RememberedFacts(scripts)


@cache
def _facts(path: Path) -> ModuleFacts:
    return _remembered(SCRIPTS).of(path)


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """The files that a file imports itself."""
    return tuple(file for name in _facts(path).names for file in _module_files(name))


def _module_files(name: str) -> list[Path]:
    """The files that are executed when `name` is imported: the `__init__.py` of its packages and the module itself."""
    parts = name.split(".")
    packages = [SCRIPTS.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    return [file for file in [*packages, SCRIPTS.joinpath(*parts).with_suffix(".py")] if file.is_file()]

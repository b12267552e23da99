"""Digests of the code that a rule runs, from which Snakemake knows when its outputs are outdated.

Snakemake does not track the modules that a script imports. These digests are `params` of each rule, so a change in the
code reruns only the rules that use it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = re.compile(r"kvbench(\.\w+)+")


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
        digest.update(_read(path).digest)
    for name in also:
        digest.update((SCRIPTS.parent / name).read_bytes())
    return digest.hexdigest()[:16]


def _closure(begin: Iterable[Path]) -> set[Path]:
    """The files in `begin` and all files that they import, directly or not."""
    seen: set[Path] = set()
    waiting = list(begin)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_read(path).imported)
    return seen


@dataclass(frozen=True)
class _Module:
    """Digest of a file's syntax tree, and the files that it imports itself."""

    digest: bytes
    imported: tuple[Path, ...]


@cache
def _read(path: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names: set[str] = set()
    for node in ast.walk(tree):
        names |= _names(node, path)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    files = tuple(file for name in names if name.split(".")[0] == "kvbench" for file in _module_files(name))
    return _Module(hashlib.sha256(ast.dump(tree).encode()).digest(), files)


def _names(node: ast.AST, path: Path) -> set[str]:
    """The modules that a node imports or names, and what may be a module in them."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        module = ".".join(filter(None, [_package(path, node.level), node.module]))
        return {module, *(f"{module}.{alias.name}" for alias in node.names)}
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
        return {node.value, node.value.rpartition(".")[0]}
    return set()


def _package(path: Path, level: int) -> str:
    """The package to which `level` leading dots refer in `path`; empty for an absolute import."""
    return ".".join(path.relative_to(SCRIPTS).with_suffix("").parts[:-level]) if level else ""


def _module_files(name: str) -> list[Path]:
    """The files that are executed when `name` is imported: the `__init__.py` of its packages and the module itself."""
    parts = name.split(".")
    packages = [SCRIPTS.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    return [file for file in [*packages, SCRIPTS.joinpath(*parts).with_suffix(".py")] if file.is_file()]

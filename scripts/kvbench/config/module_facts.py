"""What a Python file's code is and which modules it names, remembered on disk by what the file holds.

To parse all of kvbench takes most of the time before Snakemake's first job, and seldom is more than a file new.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.files import write_text

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = re.compile(r"kvbench(\.\w+)+")
_OWN = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@dataclass(frozen=True)
class ModuleFacts:
    """A file's own facts.

    `code` is a SHA-256 of the syntax tree without docstrings, so that neither they nor comments nor layout count;
    `names` are modules that the file imports or names in a string, and what may be a module in them.
    """

    code: str
    names: tuple[str, ...]


class RememberedFacts:
    """Facts of the files under `scripts`, kept where Python keeps their bytecode, if it may write there.

    What is kept is used for a file only if its name and contents are the same, and so is the code of this module.
    """

    def __init__(self, scripts: Path) -> None:
        self._scripts = scripts
        self._place = Path(cache_from_source(str(scripts / "kvbench/module_facts.py"))).with_suffix(".json")
        self._kept = _read(self._place)
        self._new = False

    def of(self, path: Path) -> ModuleFacts:
        """The facts of a file, parsed if they are not known; SyntaxError where it is not Python."""
        name, source = path.relative_to(self._scripts).as_posix(), path.read_bytes()
        contents = hashlib.sha256(source).hexdigest()
        kept = self._kept.get(name)
        if kept is None or kept["contents"] != contents:
            kept = {"contents": contents, **asdict(_parse(source, name))}
            self._kept[name], self._new = kept, True
        return ModuleFacts(kept["code"], tuple(kept["names"]))

    def save(self) -> None:
        """Keep what was parsed; where it cannot be written it is parsed again by the next process."""
        if self._new and not sys.dont_write_bytecode:
            with suppress(OSError, UserError):
                write_text(self._place, json.dumps({"parser": _OWN, "files": self._kept}))
        self._new = False


def _read(place: Path) -> dict[str, Any]:
    """What is kept by file; nothing if it is missing, broken or of other code than this module's."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(place.read_bytes())
        if kept["parser"] == _OWN:
            return dict(kept["files"])
    return {}


def _parse(source: bytes, name: str) -> ModuleFacts:
    tree = ast.parse(source, filename=name)
    names: set[str] = set()
    for node in ast.walk(tree):
        names.update(_names(node, Path(name)))
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    own = sorted(one for one in names if one.split(".")[0] == "kvbench")
    return ModuleFacts(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(own))


def _names(node: ast.AST, path: Path) -> Iterator[str]:
    """The modules that a node imports or names, and what may be a module in them."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = ".".join(filter(None, [_package(path, node.level), node.module]))
        yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
        yield from (node.value, node.value.rpartition(".")[0])


def _package(path: Path, level: int) -> str:
    """The package to which `level` leading dots refer in `path`; empty for an absolute import."""
    return ".".join(path.with_suffix("").parts[:-level]) if level else ""

"""Read a YAML file; an error names the line of the mistake."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from kvbench.errors import UserError


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; UserError names the line of a mistake or of a key written twice."""
    import yaml

    # libyaml, if available, is ten times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        _refuse_duplicates(yaml.compose(text, Loader=loader), path)
        return yaml.load(text, Loader=loader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give a file that can be read") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: a value contains itself; write it out without the alias (*)") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(f"{path}: {line}not valid YAML ({problem}); correct it there or just above") from None


def parse_value(text: str) -> Any:
    """Parse a value from the command line as YAML; return the text itself if it is not valid YAML."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _refuse_duplicates(node: Any, path: str | Path) -> None:
    """UserError for a key written twice: YAML would silently use the last value."""
    if node is None or isinstance(node.value, str):
        return
    pairs = node.value if node.id == "mapping" else [(None, item) for item in node.value]
    seen: set[str] = set()
    for key, value in pairs:
        if key is not None and key.value in seen:
            line = key.start_mark.line + 1
            raise UserError(f"{path}: line {line}: key {key.value} is written twice; keep one")
        seen |= {key.value} if key is not None and isinstance(key.value, str) else set()
        _refuse_duplicates(value, path)


def check_keys(at: str, given: Mapping[str, Any], needed: Set[str], optional: Set[str] = frozenset()) -> None:
    """UserError naming the first key that is missing or unknown; `at` names the mapping."""
    for key in sorted(needed - set(given)):
        raise UserError(f"{at}: {key} is missing; add it")
    for key in sorted(set(given) - needed - optional):
        raise UserError(f"{at}: {key}: unknown key; use {', '.join(sorted(needed | optional))}")

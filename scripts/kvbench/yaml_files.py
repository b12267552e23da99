"""Read a YAML file; an error names the line of the mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvbench.errors import UserError

if TYPE_CHECKING:
    from yaml.nodes import Node

DEEPEST = 50  # levels of lists and mappings; our files have eight
TOO_DEEP = "lists or mappings nest too deep; write fewer levels"
LONGEST = 1000  # digits of a whole number
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a mapping"}
WORDS |= {list: "a list", object: "anything"}
LAST = "workloads"
LARGEST = 100_000  # values, those behind an alias counted each time; our files have a few thousand


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; UserError names the line of a mistake or of a key written twice."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give a file that can be read") from None
    return _parse(_decoded(content, path), path)


def read_stored(path: str | Path) -> dict[str, Any]:
    """Read the configuration that `write_config` has stored; UserError if it is not whole.

    Its keys are in alphabetical order, so that a file without the last one has lost its end.
    """
    found = read_yaml(path)
    if not isinstance(found, dict) or LAST not in found:
        raise UserError(f"{path}: not the whole configuration of a run; delete it and run again")
    return found


def parse_value(text: str, name: str = "the text") -> Any:
    """Parse a value from the command line as YAML; the text itself if it is not valid YAML.

    UserError, which begins with `name`, for values that contain themselves, nest or repeat without end.
    """
    import yaml

    try:
        _refuse_deep(text, name)
        yaml.compose(text, Loader=_loader())
    except yaml.YAMLError:
        return text
    return _parse(text, name)


def _decoded(content: bytes, path: str | Path) -> str:
    """The text of a file; UserError for another encoding than UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise UserError(f"{path}: line 1: UTF-16 or UTF-32 text; save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line}: not UTF-8 text; save it as UTF-8") from None


def _loader() -> Any:
    """The loader of libyaml, which is ten times faster, if it is available."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse(text: str, path: str | Path) -> Any:
    import yaml

    node = None
    try:
        _refuse_deep(text, path)
        node = yaml.compose(text, Loader=_loader())
        _Check(path).visit(node, ())
        return None if node is None else yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else _strange_line(text)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or " ".join(str(error).split())
        raise UserError(f"{path}: {line}not valid YAML ({problem}); correct it there or just above") from None
    except (ValueError, TypeError, AttributeError, IndexError) as error:  # a tag or date that the text does not fit
        line, value = _unreadable(node)
        raise UserError(f"{path}: {line}{value} cannot be read ({error}); write it in quotes") from None


def _strange_line(text: str) -> str:
    """The line of the first character that YAML does not allow, such as a control character."""
    from yaml.reader import Reader

    found = Reader.NON_PRINTABLE.search(text)
    return f"line {text.count(chr(10), 0, found.start()) + 1}: " if found else ""


def _refuse_deep(text: str, path: str | Path) -> None:
    """UserError for lists and mappings that nest too deep; found without recursion, of which libyaml would crash."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise UserError(f"{path}: line {event.start_mark.line + 1}: {TOO_DEEP}")


def _unreadable(node: Node) -> tuple[str, str]:
    """The line and the text of the first value that YAML cannot convert."""
    import yaml

    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node.id != "scalar":
            parts = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value
            waiting.extend(reversed(parts))
            continue
        try:
            yaml.SafeLoader("").construct_object(node)
        except Exception:  # whatever the conversion raises
            return f"line {node.start_mark.line + 1}: ", node.value[:40]
    return "", "a value"


class _Check:
    """Refuses what YAML allows but no file of ours needs; each fault is told with its line."""

    def __init__(self, path: str | Path) -> None:
        self._path, self._visited = path, 0

    def visit(self, node: Node | None, around: tuple[Node, ...]) -> None:
        """UserError for a key written twice, and for a value that contains itself, nests or repeats without end."""
        if node is None:
            return
        self._visited += 1
        if node in around:
            raise self._fault(node, "a value contains itself; write it out without the alias (*)")
        if len(around) > DEEPEST:
            raise self._fault(node, TOO_DEEP)
        if self._visited > LARGEST:
            raise self._fault(node, f"more than {LARGEST} values; if aliases (*) repeat them, write fewer")
        if node.id == "scalar":
            self._refuse_long(node)
            return
        if node.id == "mapping":
            self._refuse_duplicates(node)
        for item in node.value:
            self.visit(item[1] if node.id == "mapping" else item, (*around, node))

    def _refuse_long(self, node: Node) -> None:
        """Python neither reads nor writes numbers of thousands of digits."""
        if node.tag.endswith(":int") and len(node.value) > LONGEST:
            raise self._fault(node, f"a number of {len(node.value)} digits; write a smaller one")

    def _refuse_duplicates(self, node: Node) -> None:
        """YAML would silently use the last value."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str):
                if key.value in seen:
                    raise self._fault(key, f"key {key.value} is written twice; keep one")
                seen.add(key.value)

    def _fault(self, node: Node, problem: str) -> UserError:
        return UserError(f"{self._path}: line {node.start_mark.line + 1}: {problem}")


def check_keys(at: str, given: Any, needed: Mapping[str, type], optional: Mapping[str, type] | None = None) -> None:
    """UserError naming the first key that is missing, unknown or of another type; `at` names the mapping.

    Args:
        needed, optional: the type of each key's value; `float` takes any number, `object` anything.
    """
    known = {**needed, **(optional or {})}
    if not isinstance(given, Mapping):
        raise UserError(f"{at}: not a mapping; write {', '.join(sorted(needed))}")
    for key in sorted(set(needed) - set(given)):
        raise UserError(f"{at}: {key} is missing; add it")
    for key in sorted(set(given) - set(known), key=str):
        raise UserError(f"{at}: {key}: unknown key; use {', '.join(sorted(known))}")
    for key, value in given.items():
        if not _is(value, known[key]):
            raise UserError(f"{at}: {key}: {value!r} is not {WORDS[known[key]]}; correct it")


def check_list(at: str, given: Any, of: type) -> None:
    """UserError unless it is a list of values of this type."""
    if not isinstance(given, list):
        raise UserError(f"{at}: not a list; write lines that begin with a hyphen")
    for number, value in enumerate(given):
        if not _is(value, of):
            raise UserError(f"{at}[{number}]: {value!r} is not {WORDS[of]}; correct it")


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    return isinstance(value, kind)

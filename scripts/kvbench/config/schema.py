"""Check settings against a JSON Schema: complete them, or refuse the first fault in the order of the document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kvbench.config.alternatives import chosen
from kvbench.config.defaults import with_defaults
from kvbench.config.references import written_out
from kvbench.config.wording import refusal

if TYPE_CHECKING:
    from jsonschema import TypeChecker
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


def completed(value: Any, schema: dict) -> Any:
    """A copy of `value` with defaults filled in and numbers written as text converted; Invalid for the first fault."""
    schema = written_out(schema)
    value = with_defaults(value, schema)
    faults = _of_chosen(_validator(schema).iter_errors(value))
    first = min(faults, key=lambda fault: _position(fault, value), default=None)
    if first is not None:
        raise refusal(first)
    return value


def _validator(schema: dict) -> Validator:
    """jsonschema's validator; imported here because the import takes about 40 ms."""
    from jsonschema.validators import Draft202012Validator, extend

    types = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_finite)
    return extend(Draft202012Validator, validators={"pattern": _pattern}, type_checker=types)(schema)


def _pattern(validator: Validator, pattern: str, value: Any, schema: dict) -> Iterator[ValidationError]:
    """A fault unless all of the text has the pattern; jsonschema searches, so that its `$` lets a last newline pass."""
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _is_finite(checker: TypeChecker, value: Any) -> bool:
    """Whether the value is a finite number: YAML has .inf and .nan, JSON does not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _of_chosen(faults: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """The faults, where a fault of a `oneOf` is replaced by those of the alternative that the value names, if any."""
    for fault in faults:
        number = chosen(fault.instance, fault.validator_value) if fault.validator == "oneOf" else None
        if number is None:
            yield fault
        else:
            yield from _of_chosen(sub for sub in fault.context if sub.schema_path[0] == number)


def _position(fault: ValidationError, document: Any) -> list[float]:
    """Sort key of a fault's place: a mapping comes before its values, a duplicate item after all items of the list."""
    position: list[float] = []
    for step in fault.absolute_path:
        position.append(step if isinstance(document, list) else list(document).index(step))
        document = document[step]
    return [*position, float("inf")] if fault.validator == "uniqueItems" else position

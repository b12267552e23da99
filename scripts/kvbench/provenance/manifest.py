"""The manifest of a job: results/manifests/<rule>/<wildcards>.json, written last of all its files.

A job without a manifest, such as one of an earlier version, is one of which nothing is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kvbench.files import write_text
from kvbench.provenance.states import State

FOLDER = Path("results/manifests")
PROJECT = Path(__file__).resolve().parents[3]
DEVICE = "device"
HERE = Path()


@dataclass(frozen=True)
class Manifest:
    """What a job of `rule` made of what.

    `wildcards` are values in the rule's order, `code` the digest of its code, `params` digests of its other parameters,
    `packages` versions as `name==version`, `inputs` SHA-256 by name (`named`), `outputs` what it wrote by file.
    """

    rule: str
    wildcards: tuple[str, ...]
    code: str
    params: Mapping[str, str]
    packages: tuple[str, ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, State]

    def write(self, folder: Path = FOLDER) -> None:
        """Write it to its place below `folder`, completely or not at all."""
        path = place(self.rule, self.wildcards, folder)
        write_text(path, json.dumps(asdict(self), sort_keys=True, separators=(",", ":")) + "\n")

    def with_outputs(self, outputs: Mapping[str, State]) -> Manifest:
        return replace(self, outputs=outputs)


def place(rule: str, wildcards: Iterable[str], folder: Path = FOLDER) -> Path:
    """Where the manifest of a job is."""
    *folders, last = [rule, *wildcards]
    return Path(folder, *folders, f"{last}.json")


def named(path: str, folder: Path = HERE) -> str:
    """The name of an input in manifests: the project's own files are named alike wherever the results are.

    `path` is relative to `folder`, which holds results/.
    """
    whole = (folder / path).resolve()
    return str(whole.relative_to(PROJECT)) if whole.is_relative_to(PROJECT / "config") else path


def digest_of(value: Any) -> str:
    """Digest of a parameter: of its JSON with sorted keys, where other types count as their text.

    Of mappings without the device, which may be `auto`: results/environment.json has the one that was used.
    """
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key != DEVICE}
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digests_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the parameters that are neither code nor packages nor the device, by name."""
    return {name: digest_of(value) for name, value in params.items() if name not in ("code", "packages", DEVICE)}


def read(path: Path) -> Manifest | None:
    """The manifest in a file; None if it is not one, which is then as good as missing."""
    try:
        found = json.loads(path.read_bytes())
        outputs = {name: State(**state) for name, state in found["outputs"].items()}
        lists = {name: tuple(found[name]) for name in ("wildcards", "packages")}
        return Manifest(**{**found, **lists, "outputs": outputs})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def read_all(folder: Path = FOLDER) -> list[Manifest]:
    """The manifests of all jobs, in no order."""
    return [found for path in folder.rglob("*.json") if (found := read(path)) is not None]

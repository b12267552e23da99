"""A job checks what it reads as it starts, and writes its manifest as it ends."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from kvbench.errors import UserError
from kvbench.files import sha256
from kvbench.provenance.manifest import Manifest, digests_of, named, place, read_all
from kvbench.provenance.states import State
from kvbench.provenance.wording import Damage


def begin(snakemake: Any) -> dict[str, str]:
    """SHA-256 of a job's inputs by name; its manifest, which is of its last time, goes.

    UserError for an input that is not what the rule that made it wrote.
    """
    place(snakemake.rule, map(str, snakemake.wildcards)).unlink(missing_ok=True)
    return check_inputs(sorted(set(map(str, snakemake.input))))


def check_inputs(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file by its name in manifests; UserError for one that is not what its manifest says."""
    made = {name: (one.rule, state) for one in read_all() for name, state in one.outputs.items()}
    found = {}
    for path in paths:
        found[named(path)] = digest = sha256(path)
        rule, state = made.get(path, ("", None))
        if state is not None and digest != state.sha256:
            raise UserError(Damage(path, rule, state).line())
    return found


def end(snakemake: Any, inputs: dict[str, str]) -> None:
    """Write the manifest of a job that has written all its outputs."""
    params = dict(snakemake.params.items())
    outputs = sorted(set(map(str, snakemake.output)))
    Manifest(
        rule=snakemake.rule,
        wildcards=tuple(map(str, snakemake.wildcards)),
        code=params.get("code", ""),
        params=digests_of(params),
        packages=tuple(params.get("packages", ())),
        inputs=inputs,
        outputs={path: State.of(path) for path in outputs if os.path.isfile(path)},
    ).write()

"""Packs a finished run as an RO-Crate: its files with checksums, settings, machine, code version, licence, creators.

The crate follows RO-Crate (https://w3id.org/ro/crate) and the profile Process Run Crate
(https://w3id.org/ro/wfrun/process/0.5): one action, whose instrument is kvbench, made the files from config.yaml.
"""

from __future__ import annotations

import mimetypes
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kvbench.errors import UserError
from kvbench.files import read_record, replacing, sha256, write_json
from kvbench.publication.creators import citation, creators, licence
from kvbench.report.gallery import published_environment

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
ENVIRONMENT, SETTINGS, REPORT = "environment.json", "config.yaml", "report.html"
OF_PROJECT = ("CITATION.cff", "LICENSE")
FORMATS = {".parquet": "application/vnd.apache.parquet", ".cff": "application/yaml", ".yaml": "application/yaml"}


def write_crate(results: Path, out: Path, root: Path) -> int:
    """Write the crate of the run in `results` to `out`, a ZIP file; returns the number of its files.

    environment.json has no paths of the machine and no serial numbers in the crate. UserError if the run is not
    finished or `out` is no ZIP file outside `results`.
    """
    if not (results / REPORT).is_file():
        raise UserError(f"{results}: no {REPORT}, so the run is not finished; `make run` first")
    if out.suffix != ".zip" or results.resolve() in out.resolve().parents:
        raise UserError(f"OUT={out}: give a file that ends with .zip, outside {results}")
    with TemporaryDirectory() as folder, replacing(out) as temporary:
        write_json(Path(folder, ENVIRONMENT), published_environment(results / ENVIRONMENT))
        crate, count = _crate(results, Path(folder, ENVIRONMENT), root)
        crate.write_zip(temporary)
    return count


def _crate(results: Path, environment: Path, root: Path) -> tuple[ROCrate, int]:
    from rocrate.rocrate import ROCrate

    crate, cited = ROCrate(), citation(root)
    files = _add_files(crate, results, environment, root)
    _describe(crate, cited, _ended(results))
    made = [entity for name, entity in files.items() if name not in (*OF_PROJECT, SETTINGS, ENVIRONMENT)]
    action = {
        "@type": "CreateAction",
        "name": "A run of kvbench",
        "endTime": _ended(results),
        "instrument": _program(crate, cited, root, read_record(environment)),
        "object": [files[SETTINGS], files[ENVIRONMENT]],
        "result": made,
    }
    crate.root_dataset["mentions"] = _context(crate, "#run", action)
    return crate, len(files)


def _add_files(crate: ROCrate, results: Path, environment: Path, root: Path) -> dict[str, Any]:
    """Add the files of the run and what is cited; returns their entities by the name in the crate."""
    sources = {path.relative_to(results).as_posix(): path for path in sorted(results.rglob("*")) if path.is_file()}
    sources = {name: path for name, path in sources.items() if not path.name.startswith(".")}
    sources |= {ENVIRONMENT: environment} | {name: root / name for name in OF_PROJECT}
    return {name: crate.add_file(path, name, properties=_facts(name, path)) for name, path in sources.items()}


def _facts(name: str, path: Path) -> dict[str, Any]:
    kind = FORMATS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    size = str(path.stat().st_size)
    return {"name": name, "contentSize": size, "encodingFormat": kind, "sha256": sha256(path)}


def _describe(crate: ROCrate, cited: Mapping[str, Any], ended: str) -> None:
    """The root: what it is, who made it, under which licence."""
    crate.name = f"A run of kvbench {cited['version']}"
    crate.description = f"Results, settings and machine of a run of {cited['title']}"
    crate.datePublished = ended
    crate.license = _context(crate, *licence(cited))
    crate.creator = [_context(crate, *one) for one in creators(cited)]
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": PROFILE.rpartition("/")[2]}
    crate.root_dataset["conformsTo"] = _context(crate, PROFILE, profile)


def _program(crate: ROCrate, cited: Mapping[str, Any], root: Path, environment: Mapping[str, Any]) -> ContextEntity:
    """kvbench with its version, its commit where it is known, and the packages it used."""
    packages = [
        _context(crate, f"#{name}", {"@type": "SoftwareApplication", "name": name, "softwareVersion": version})
        for name, version in sorted(environment["packages"].items())
        if version
    ]
    facts = {"@type": "SoftwareApplication", "name": "kvbench", "description": cited["title"]}
    facts |= {"softwareVersion": cited["version"], "license": crate.license, "softwareRequirements": packages}
    if commit := _commit(root):
        facts["version"] = commit
    return _context(crate, "#kvbench", facts)


def _context(crate: ROCrate, name: str, facts: Mapping[str, Any]) -> ContextEntity:
    from rocrate.model.contextentity import ContextEntity

    plain = {key: value for key, value in facts.items() if isinstance(value, str)}
    entity = crate.add(ContextEntity(crate, name, properties=plain))
    for key, value in facts.items():
        if key not in plain:
            entity[key] = value  # references to entities are made by assignment
    return entity


def _commit(root: Path) -> str | None:
    """The commit of a checkout, with `+` where files differ from it; None outside one and without git."""
    if not (git := shutil.which("git")):
        return None
    place = [f"--git-dir={root / '.git'}", f"--work-tree={root}"]  # no repository around the project
    command = [git, *place, "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None


def _ended(results: Path) -> str:
    """When the report was written, in UTC."""
    return datetime.fromtimestamp((results / REPORT).stat().st_mtime, UTC).isoformat(timespec="seconds")

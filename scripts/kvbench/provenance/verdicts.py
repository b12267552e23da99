"""Whether each file of a configuration follows from the files beside it and the code, settings and packages of now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kvbench.errors import UserError
from kvbench.files import read_json, sha256
from kvbench.provenance.manifest import FOLDER, Manifest, named, place, read
from kvbench.provenance.plan import Planned

AGAIN = "run the same command again"
# What is said of a file, in the order in which it is looked for, with the mend.
MENDS = {
    "missing": AGAIN,
    "unknown": "it has no manifest, as in results of an earlier version; delete it and run the same command again",
    "changed": "it is not what its rule wrote; delete it and run the same command again",
    "stale code": AGAIN,
    "stale settings": AGAIN,
    "stale packages": AGAIN,
    "stale inputs": AGAIN,
}
OK = "ok"
STATES = (OK, *MENDS)
# Only files of results/ must be there: models and users' files may be elsewhere.
RESULTS = "results/"
RECORD = "run.json"


@dataclass(frozen=True)
class Verdict:
    """What is said of a file: one of STATES, and the detail, which is empty where it is ok."""

    path: str
    rule: str
    state: str
    detail: str = ""

    def line(self, further: int = 0) -> str:
        """One line for a file that is not ok, and for `further` ones of its rule for the same reason."""
        more = f" and {further} more of {self.rule}" if further else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path}{more}: {self.state}{detail}; {MENDS[self.state]}"


class Verifier:
    """Compares the files below a folder with manifests; each file is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest = cache(lambda path: sha256(folder / path))

    def verdicts(self, jobs: Iterable[Planned]) -> list[Verdict]:
        """A verdict on each file in results/ that the jobs write, sorted by path."""
        return sorted((one for job in jobs for one in self._of_job(job)), key=lambda one: one.path)

    def _of_job(self, job: Planned) -> Iterator[Verdict]:
        manifest = read(self._folder / place(job.rule, job.wildcards, FOLDER))
        stale = self._stale(job, manifest) if manifest else (OK, "")
        for path in job.outputs:
            if path.startswith(RESULTS):
                yield Verdict(path, job.rule, *self._of_file(path, manifest, stale))

    def _of_file(self, path: str, manifest: Manifest | None, stale: tuple[str, str]) -> tuple[str, str]:
        if not (self._folder / path).is_file():
            return "missing", ""
        if manifest is None or path not in manifest.outputs:
            return ("changed", "run.json names another content") if self._differs_from_record(path) else ("unknown", "")
        wrote = manifest.outputs[path]
        if self._digest(path) != wrote.sha256:
            return "changed", wrote.difference(self._folder / path)
        return stale

    def _differs_from_record(self, path: str) -> bool:
        """Whether a file of a run is another one than its run.json names: so much is known of a folder copied alone."""
        try:
            found = read_json((self._folder / path).parent / RECORD)["files"][Path(path).name]["sha256"]
        except (UserError, KeyError, TypeError):  # none, a broken one, or one that names no files
            return False
        return self._digest(path) != found

    def _stale(self, job: Planned, manifest: Manifest) -> tuple[str, str]:
        if job.code != manifest.code:
            return "stale code", ""
        if other := _differing(job.params, manifest.params):
            return "stale settings", ", ".join(other)
        if other := _other_packages(job.packages, manifest.packages):
            return "stale packages", ", ".join(other)
        if other := self._other_input(job, manifest):
            return "stale inputs", other
        return OK, ""

    def _other_input(self, job: Planned, manifest: Manifest) -> str:
        """The first input that is another one than the job read; those that are elsewhere cannot be compared."""
        for path in job.inputs:
            there, name = (self._folder / path).is_file(), named(path, self._folder)
            if name not in manifest.inputs:
                return f"{name} was not read"
            if there and self._digest(path) != manifest.inputs[name]:
                return f"{path} is another one"
            if not there and path.startswith(RESULTS):
                return f"{path} is missing"
        return ""


def _differing(now: dict[str, str], then: dict[str, str]) -> list[str]:
    return sorted(name for name in {*now, *then} if now.get(name) != then.get(name))


def _other_packages(now: Iterable[str], then: Iterable[str]) -> list[str]:
    """Packages of another version here; those that are not installed here cannot be compared."""
    here, there = (dict(one.split("==") for one in versions) for versions in (now, then))
    other = [name for name in sorted(there) if here.get(name, there[name]) != there[name]]
    return [f"{name} {here[name]} instead of {there[name]}" for name in other]

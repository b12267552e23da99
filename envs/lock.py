"""Write the locks envs/{cpu,pypi-torch,cuda,plan,uv}.txt from the .in files: `make lock`.

uv resolves for every Python from 3.11 on. A lock leaves out requirements that its platforms never install, and torch's
hashes, because the wheels of PyTorch's index and local wheels of the same version are different files. The plan flavour
gets the versions of the cpu flavour, so that both make the same files from the same runs. The lock pypi-torch has only
what takes the place of entries in the lock of the cpu flavour.
Arguments go to `uv pip compile`: `make lock ARGS=--upgrade`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement

from bootstrap import base_python, environment, find_uv, wheel_sources

ENVS = Path(__file__).resolve().parent
HEADER = "# Lock of envs/{name}.in, made by `make lock`; change that file, not this one.\n"
UNHASHED = ("torch",)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
CPYTHON = {"os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
LINUX = {"sys_platform": "linux", "platform_system": "Linux", **CPYTHON}
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", **CPYTHON}
X86_LINUX = {**LINUX, "platform_machine": "x86_64"}
X86_MACOS = {**MACOS, "platform_machine": "x86_64"}
ENGINES = (X86_LINUX,)
PLATFORMS = {
    "cpu": ENGINES,
    "pypi-torch": ENGINES,
    "cuda": ENGINES,
    "plan": (X86_LINUX, {**LINUX, "platform_machine": "aarch64"}, {**MACOS, "platform_machine": "arm64"}, X86_MACOS),
    "uv": ENGINES,
}
# macOS on x86-64 gets older versions of these: envs/plan.in says why.
OLDER_ON_X86_MACOS = ("numba", "llvmlite", "numpy")
OF_TORCH = ("torch", "triton")


def main() -> None:
    """Lock uv itself and all flavours; a lock is replaced only when its resolution succeeded."""
    uv = find_uv()
    for name in ("uv", "cpu", "pypi-torch", "cuda", "plan"):
        lock = compile_lock(uv, name, sys.argv[1:])
        (ENVS / f"{name}.txt").write_text(lock, encoding="utf-8")
        print(f"envs/{name}.txt: {len(entries(lock))} requirements")
    for flavour in ("cpu", "cuda", "plan"):
        sign(flavour)


def compile_lock(uv: str, name: str, extra: list[str]) -> str:
    """The lock of one .in file; versions of the present lock are kept if they still fit."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, f"{name}.txt")
        if (present := ENVS / f"{name}.txt").exists():
            shutil.copy(present, output)
        command = [uv, "--config-file", str(ENVS / "metadata.toml"), "pip", "compile", "--quiet"]
        command += ["--universal", "--python-version", PYTHONS[0]]
        command += ["--overrides", str(ENVS / "overrides.txt"), "--generate-hashes", "--no-header", "--no-annotate"]
        if name in CONSTRAINTS:
            pins = Path(folder, "pins.txt")
            pins.write_text(CONSTRAINTS[name]((ENVS / "cpu.txt").read_text()))
            command += ["--constraints", str(pins)]
        command += [*_torch_source(uv, name), *extra, str(ENVS / f"{name}.in"), "-o", str(output)]
        if code := subprocess.call(command, env=environment()):
            sys.exit(code)
        kept = [keep(entry, PLATFORMS[name]) for entry in entries(output.read_text())]
        if name == "pypi-torch":
            kept = beyond(kept, (ENVS / "cpu.txt").read_text())
        return HEADER.format(name=name) + "".join(filter(None, kept))


def _torch_source(uv: str, name: str) -> list[str]:
    return (wheel_sources(uv, base_python(), ENVS / "cpu.in") or []) if name == "cpu" else []


def entries(lock: str) -> list[str]:
    """The requirements of a lock, each with its hashes."""
    return re.findall(r"^[a-z0-9].*\n(?:[ ]+--hash=.*\n)*", lock, re.MULTILINE)


def constraints(lock: str) -> str:
    """The versions of a lock, one a line, as far as they hold on all platforms of the plan flavour."""
    lines = []
    for requirement in map(_requirement, entries(lock)):
        if requirement.name in OLDER_ON_X86_MACOS:
            own = f"({requirement.marker}) and " if requirement.marker else ""
            requirement.marker = Marker(f"{own}(sys_platform != 'darwin' or platform_machine != 'x86_64')")
        lines.append(f"{requirement}\n")
    return "".join(lines)


def around_torch(lock: str) -> str:
    """The versions of a lock, one a line, but for torch and what each build of torch asks for in its own version."""
    return "".join(f"{r}\n" for r in map(_requirement, entries(lock)) if r.name not in OF_TORCH)


def beyond(kept: Sequence[str], lock: str) -> list[str]:
    """The entries that a lock does not have in the same version."""
    present = {(r.name, str(r.specifier)) for r in map(_requirement, entries(lock))}
    found = ((entry, _requirement(entry)) for entry in kept if entry)
    return [entry for entry, r in found if (r.name, str(r.specifier)) not in present]


def keep(entry: str, platforms: Sequence[Mapping[str, str]] = ENGINES) -> str:
    """The entry for the lock: empty if it is never installed, without hashes for torch."""
    requirement = _requirement(entry)
    if not any(applies(requirement, python, facts) for python in PYTHONS for facts in platforms):
        return ""
    return f"{requirement}\n" if requirement.name in UNHASHED else entry


def applies(requirement: Requirement, python: str, platform: Mapping[str, str]) -> bool:
    """Whether CPython of this version installs it on this platform."""
    facts = {**platform, "python_version": python, "python_full_version": f"{python}.0"}
    return requirement.marker is None or requirement.marker.evaluate(facts)


def _requirement(entry: str) -> Requirement:
    return Requirement(entry.partition("\n")[0].rstrip(" \\"))


# Locks that take their versions from the lock of the cpu flavour.
CONSTRAINTS = {"plan": constraints, "pypi-torch": around_torch}


def sign(flavour: str) -> None:
    """Put the lock's digest into the conda file, so that Snakemake makes a new environment when the lock changes."""
    path = ENVS / f"{flavour}.yaml"
    digest = hashlib.sha256((ENVS / f"{flavour}.txt").read_bytes()).hexdigest()
    path.write_text(re.sub(r"(?m)^# lock .*$", f"# lock {digest}", path.read_text()))


if __name__ == "__main__":
    main()

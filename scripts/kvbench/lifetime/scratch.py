"""Temporary folders with an owner: each job has one, and those whose owner is dead are swept.

A job's folder is `kvbench-<8 characters>` under the temporary folder of the machine, and the job's `TMPDIR`, so that
what libraries leave in theirs goes with it. The owner holds a lock on the file `kvbench-owner` in it, as it does in the
folder that Snakemake itself makes. The system releases the lock when the owner's last process ends, however it ends;
unlike a process number, it cannot be somebody else's later.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from kvbench.errors import UserError

OURS = re.compile(r"(kvbench-|snakemake)[a-z0-9_]{8}")
OWNER = "kvbench-owner"
BASE = "KVBENCH_TEMPORARY"  # the machine's temporary folder, for processes that see a job's as theirs
# A socket's path has at most 107 bytes. vLLM's are named by 36 in the temporary folder, or two folders below it.
LONGEST_FOLDER = 107 - len("/kvbench-12345678/r/") - 36

_held: list[IO[str]] = []  # locks on the folders of this process
_used: list[Path] = []


def base() -> Path:
    """The machine's temporary folder, also in a job."""
    return Path(os.environ.get(BASE) or tempfile.gettempdir())


def lock_folder() -> Path:
    """This user's folder for lock files, which nobody else may write to.

    It lies under the temporary folder, where anyone can take its name before us; then another one in the user's cache
    does, the same for all jobs on this machine.

    Raises:
        UserError: neither belongs to this user.
    """
    beside = base() / f"kvbench-{os.getuid()}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    at_home = cache / "kvbench" / f"locks-{socket.gethostname()}"
    for folder in (beside, at_home):
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_ours(folder):
                folder.chmod(0o700)
                return folder
    raise UserError(f"{beside}: belongs to another user, and {at_home} cannot be used; set TMPDIR to a folder of yours")


def is_ours(folder: Path) -> bool:
    """Whether it is a folder of this user's, and no link to one."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def make() -> Path | None:
    """A new folder that this process and its forks own; None where vLLM's sockets would not fit into it."""
    if len(os.fsencode(base())) + len("/kvbench-12345678") > LONGEST_FOLDER:
        return None
    folder = Path(tempfile.mkdtemp(prefix="kvbench-", dir=base()))
    claim(folder)
    return folder


def claim(folder: Path) -> None:
    """Have this process and its forks own `folder`."""
    unlocked = folder / f".{OWNER}"
    owner = open(unlocked, "w")  # noqa: SIM115 (held to the end of the process)
    fcntl.flock(owner, fcntl.LOCK_EX)
    unlocked.rename(folder / OWNER)  # only now can a sweep see it
    _held.append(owner)


def use(folder: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Make `folder` the temporary folder of this process and those that it starts.

    Compiled kernels stay where PyTorch would put them otherwise, so that a later job finds them.
    """
    environment[BASE] = str(base())
    with suppress(KeyError, OSError):  # a user without a name
        environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(base() / f"torchinductor_{getpass.getuser()}"))
    environment["TMPDIR"] = tempfile.tempdir = str(folder)
    _used.append(folder)


def leave() -> None:
    """Remove the folder in use, at the end of a job."""
    while _used:
        remove(_used.pop())


def remove(folder: Path | None) -> None:
    """Remove a folder and all that is in it, as far as possible."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> list[Path]:
    """Remove this user's folders whose owner is dead, and return them."""
    return [folder for folder in _abandoned() if not shutil.rmtree(folder, ignore_errors=True)]


def _abandoned() -> Iterator[Path]:
    for entry in os.scandir(base()):
        folder = Path(entry.path)
        with suppress(OSError):  # it may end meanwhile
            if OURS.fullmatch(entry.name) and is_ours(folder) and _is_dead(folder / OWNER):
                yield folder


def _is_dead(owner: Path) -> bool:
    """Whether nobody holds the lock; OSError for a folder without one, which is not ours or was made this moment."""
    with open(owner) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True

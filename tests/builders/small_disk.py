"""A copy of a project on a small disk of its own: a tmpfs in namespaces, where Linux allows them to users."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
SIZE = "64m"
MOUNT = f'mount -t tmpfs -o size={SIZE} tmpfs "$0"'


def can_mount(folder: Path) -> bool:
    """Whether this system allows such a disk."""
    with suppress(FileNotFoundError):
        return subprocess.run([*UNSHARE, MOUNT, folder], capture_output=True, check=False).returncode == 0
    return False


class SmallDisk:
    """The disk, with a copy of `tree` in it. It lives until `close`; only commands that begin with `prefix` see it.

    `path` is where other processes find it.
    """

    def __init__(self, tree: Path, mount: Path) -> None:
        script = f'{MOUNT} && cp -a . "$0" && echo ready && exec sleep infinity'
        self.holder = subprocess.Popen([*UNSHARE, script, mount], cwd=tree, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"
        self.path = Path(f"/proc/{self.holder.pid}/root{mount}")
        enter = ("nsenter", "--target", str(self.holder.pid), "--user", "--mount", "--preserve-credentials")
        self.prefix = (*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(mount))
        self._filler = self.path / "filler"

    def fill(self) -> None:
        """Leave no byte."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    def close(self) -> None:
        """End the disk."""
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

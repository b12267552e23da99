"""A file as its maker left it, and whether the one on the disk is still that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kvbench.files import sha256


@dataclass(frozen=True)
class State:
    """Size, SHA-256 and time stamp of a file; size and time stamp are -1 where only the content is known."""

    bytes: int
    sha256: str
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path, digest: str | None = None) -> State:
        """Of a file on the disk, which is read unless its `digest` is known."""
        found = os.stat(path)
        return cls(found.st_size, digest or sha256(path), found.st_mtime_ns)

    def untouched(self, path: str | Path) -> bool:
        """Whether size and time stamp are the same, so that nobody has written the file since."""
        found = os.stat(path)
        return (found.st_size, found.st_mtime_ns) == (self.bytes, self.mtime_ns)

    def holds(self, path: str | Path) -> bool:
        """Whether the content is the same; the file is read only if its time stamp differs."""
        return self.untouched(path) or (os.stat(path).st_size == self.bytes and sha256(path) == self.sha256)

    def difference(self, path: str | Path) -> str:
        """What a user is told of a file with another content."""
        size = os.stat(path).st_size
        return f"{size:,} bytes instead of {self.bytes:,}" if 0 <= self.bytes != size else "its content has changed"

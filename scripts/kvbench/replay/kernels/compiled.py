"""How numba compiles a step loop: once, with all functions that it calls, cached on disk."""

import fcntl
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from numba import njit
from numba.core.caching import FunctionCache

# The kernels allocate nothing: arrays belong to their caller. Without counting references to them (`_nrt`, which numba
# does not document) and without a check of each divisor, a step of a few requests takes a fifth of the time.
FAST = {"error_model": "numpy", "_nrt": False}
# For functions that a loop calls: without an entry point for Python, which takes a third less time to compile.
inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **FAST)


def outer(function: Callable[..., Any]) -> Callable[..., Any]:
    """For functions that Python calls: `njit(cache=True)` that also detects changes in other files of the folder."""
    compiled = njit(function, **FAST)
    compiled._cache = _FolderCache(function)
    return compiled


class _FolderCache(FunctionCache):
    """numba's own cache checks only the file of the compiled function and would run outdated versions of callees.

    Jobs that start together compile once: the others wait for the one that holds the lock, and load what it has saved.
    """

    _lock: IO[bytes] | None = None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """What an earlier process has compiled; None if this one is to compile it, and then to save it."""
        found = super().load_overload(signature, target_context)
        if found is None:
            self._lock = _locked(Path(self.cache_path) / f"{self._impl.filename_base}.lock")
            found = super().load_overload(signature, target_context)
            if found is not None:
                self._unlock()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        super().save_overload(signature, data)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _index_key(self, *signature: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*signature), _digest(Path(self._py_func.__code__.co_filename).parent))


@cache
def _digest(folder: Path) -> str:
    return sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()


def _locked(path: Path) -> IO[bytes] | None:
    """A file with an exclusive lock that ends when it is closed; None where files cannot be written or locked."""
    try:
        file = path.open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        file.close()
        return None
    return file

"""How numba compiles a step loop: once, with all functions that it calls, cached on disk."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

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
    """numba's own cache checks only the file of the compiled function and would run outdated versions of callees."""

    def _index_key(self, *signature: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*signature), _digest(Path(self._py_func.__code__.co_filename).parent))


@cache
def _digest(folder: Path) -> str:
    return sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()

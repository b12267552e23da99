"""Import a large library without garbage collection, which would scan the growing heap again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Disable collection inside the block; later collections skip the imported objects, which stay alive anyway."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

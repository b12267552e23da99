"""Transformers' way through a GGUF file, without what it does over and over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def read_once() -> Iterator[None]:
    """While this lasts, a GGUF file is parsed once, and the map of its tensors' names is built once for each size.

    Transformers parses the file for the configuration, for the weights and for the tokenizer, and builds the same map
    for every module of the model: two thirds of the time of loading a small one.
    """
    import gguf

    own = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    gguf.GGUFReader = cache(_reader(gguf.GGUFReader))
    gguf.get_tensor_name_map = cache(gguf.get_tensor_name_map)
    try:
        yield
    finally:
        for name, value in own.items():
            setattr(gguf, name, value)


def _reader(base: type) -> type:
    """A GGUFReader over a plain view of the mapped file, of which a slice costs a third of a memmap's."""

    class Reader(base):
        @property
        def data(self) -> Any:
            return self._data

        @data.setter
        def data(self, mapped: Any) -> None:
            import numpy as np

            self._data = np.asarray(mapped)

    return Reader

"""Compressed files are read as they come; one that is cut off or changed is named with the line where it breaks."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders.refusals import refused
from builders.trace_files import AZURE, MOONCAKE, columns
from builders.user_files import conversation, line, read

from kvbench.workload.vocabulary import Vocabulary


def zstd(content: bytes) -> bytes:
    """Return the content as a zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@pytest.fixture(params=PACKERS)
def suffix(request: pytest.FixtureRequest) -> str:
    """Return the extension of one way of compressing."""
    return request.param


@pytest.mark.parametrize(("name", "content"), [("a.csv", AZURE), ("m.jsonl", MOONCAKE), ("r.csv", "\ufeff5,6\n7,8\n")])
def test_a_compressed_trace_is_the_trace(tmp_path: Path, suffix: str, name: str, content: str) -> None:
    plain, packed = (columns(tmp_path, file, one) for file, one in [
        (name, content), (name + suffix, PACKERS[suffix](content.encode())),
    ])  # fmt: skip
    for column in ("prompt_tokens", "output_tokens", "arrival_s"):
        np.testing.assert_array_equal(getattr(packed, column), getattr(plain, column))


def test_compressed_text_is_read_in_every_format(tmp_path: Path, vocabulary: Vocabulary, suffix: str) -> None:
    for name, content in (("r.jsonl", line(prompt="a")), ("r.json", f"[{conversation('a', 'b')}]".replace("'", '"'))):
        table = read(tmp_path, name + suffix, PACKERS[suffix](content.encode()), vocabulary)
        assert table["text"].to_pylist() == ["a"]
        assert read(tmp_path, "r", PACKERS[suffix](content.encode()), vocabulary)["text"].to_pylist() == ["a"]


def test_a_file_that_is_not_compressed_may_be_called_so(tmp_path: Path) -> None:
    assert columns(tmp_path, "r.csv.gz", "5,6\n").prompt_tokens.tolist() == [5]


@pytest.mark.parametrize("size", [20, 300_000])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, suffix: str, size: int) -> None:
    numbers = np.random.default_rng(0).integers(1, 4000, (size, 2))
    content = "prompt_tokens,output_tokens\n" + "".join(f"{p},{o}\n" for p, o in numbers)
    packed = PACKERS[suffix](content.encode())
    name = f"r.csv{suffix}"
    with refused(
        rf"{name}: line \d+: the (gzip|bzip2|xz|zstd) data is cut off or corrupt \(.+\); fetch or pack"
    ) as caught:
        columns(tmp_path, name, packed[: len(packed) // 2])
    found = int(str(caught.value).split(": line ")[1].split(":")[0])
    assert found <= size
    assert size < 1000 or found > size // 4


def test_a_file_that_was_changed_is_named(tmp_path: Path, suffix: str) -> None:
    packed = bytearray(PACKERS[suffix]("".join(f"{n},{n * n}\n" for n in range(1, 5000)).encode()))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    if suffix == ".zst":  # Arrow writes no checksum: break the frame's structure instead
        packed[5:40] = bytes(35)
    with refused(rf"r\.csv{suffix}: line \d+: the \w+ data is cut off or corrupt"):
        columns(tmp_path, f"r.csv{suffix}", bytes(packed), limit=1 << 30)

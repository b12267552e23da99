"""GGUF files are read once."""

from pathlib import Path

import numpy as np
import pytest

from kvbench.model.gguf_file import read_once

pytestmark = pytest.mark.engine


@pytest.fixture
def small_gguf(tmp_path: Path) -> Path:
    """A GGUF file with two tokens, an array and a tensor."""
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "small.gguf", "llama")
    writer.add_token_list(["wörld", ""])
    writer.add_array("small.sizes", [3, 1, 2])
    writer.add_tensor("token_embd.weight", np.arange(6, dtype=np.float32).reshape(2, 3))
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    return tmp_path / "small.gguf"


def test_a_gguf_file_is_read_once_and_as_its_package_reads_it(small_gguf: Path):
    import gguf

    own = gguf.GGUFReader(small_gguf)
    with read_once():
        read = gguf.GGUFReader(small_gguf)
        assert gguf.GGUFReader(small_gguf) is read
    assert {name: field.contents() for name, field in read.fields.items()} == {
        name: field.contents() for name, field in own.fields.items()
    }
    assert read.fields["tokenizer.ggml.tokens"].contents() == ["wörld", ""]
    assert [tensor.name for tensor in read.tensors] == ["token_embd.weight"]
    assert read.tensors[0].data.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_gguf_is_as_it_was_after_a_failure():
    import gguf

    own = gguf.GGUFReader, gguf.get_tensor_name_map
    with pytest.raises(OSError, match="unreadable"), read_once():
        raise OSError("unreadable")
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == own

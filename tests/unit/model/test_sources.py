"""Sources of models, as far as they go without torch: what is found, what is refused and in which words."""

import hashlib
import json
import sys
from collections import namedtuple
from pathlib import Path

import gguf
import numpy as np
import pytest
from builders.model_folder import WEIGHTS
from builders.refusals import refused
from builders.silent import SilentBar

from kvbench.errors import UserError
from kvbench.model import disk, hub, package
from kvbench.model.folder import check_folder, file_digests
from kvbench.model.gguf_file import read_once
from kvbench.model.local import find_folder
from kvbench.model.prepare import check_settings, prepare_model
from kvbench.model.shape import _within_vocabulary, own_fields

WHERE = "config.yaml: models.m"
PINNED = "0123456789abcdef0123456789abcdef01234567"
LLAMA_FIELDS = {
    "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size",
    "intermediate_size", "vocab_size", "max_position_embeddings", "rms_norm_eps",
}  # fmt: skip


def fields(shape: dict, known: set[str] | None = None) -> dict:
    return own_fields(shape, known or LLAMA_FIELDS, f"{WHERE}.shape")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "models.m.source: None is unknown"),
        ({"source": "ftp"}, "models.m.source: 'ftp' is unknown; use one of package, hub, path, shape"),
        ({"source": "path", "pth": "x"}, "models.m.pth: unknown key; did you mean path"),
        ({"source": "path"}, "models.m.path: missing"),
        ({"source": "hub", "id": "a/b", "revision": PINNED, "dtype": "fp16"}, "models.m.dtype: 'fp16'"),
        ({"source": "hub", "id": "a/b", "trust_remote_code": True}, "models.m.trust_remote_code: unknown key"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        check_settings(settings, WHERE)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages with a module that must not be imported, and its metadata."""
    module = tmp_path / "weights_for_tests"
    module.mkdir()
    (module / "__init__.py").write_text("raise ImportError('must not be imported')\n")
    (module / "w.gguf").write_bytes(b"GGUF weights")
    info = tmp_path / "weights_for_tests-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weights-for-tests\nVersion: 1.5\n")
    (info / "RECORD").write_text("weights_for_tests/__init__.py,,\nweights_for_tests/w.gguf,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def find(version: str | None = "1.5", file: str = "w.gguf", name: str = "weights-for-tests") -> Path:
    return package.find_packaged_file(name, version, file, WHERE)


def test_package_is_found_and_not_imported(site: Path):
    assert find() == site / "weights_for_tests" / "w.gguf"
    assert "weights_for_tests" not in sys.modules


def test_package_without_its_metadata_is_found(site: Path):
    (site / "weights_for_tests-1.5.dist-info").rename(site / "gone")
    (site / "weights_for_tests" / "__init__.py").unlink()
    assert find("9.9") == site / "weights_for_tests" / "w.gguf"


def test_package_faults_are_named(site: Path):
    with pytest.raises(UserError, match=r"models\.m\.version: weights-for-tests 1\.5 is installed, not 1\.6"):
        find("1.6")
    with pytest.raises(UserError, match=r"models\.m\.file: weights-for-tests has no x\.gguf"):
        find(file="x.gguf")
    with pytest.raises(UserError, match=r"models\.m\.package: no-such-weights is not installed"):
        find(name="no-such-weights")


def test_digest(site: Path):
    file = find()
    actual = hashlib.sha256(b"GGUF weights").hexdigest()
    package.check_digest(file, actual.upper(), WHERE)
    with pytest.raises(UserError, match=rf"models\.m\.sha256: .*{actual}, not 00"):
        package.check_digest(file, "00", WHERE)
    with pytest.raises(UserError, match=rf"sha256: missing.*{actual}"):
        package.check_digest(file, "", WHERE)


def test_a_wrong_digest_writes_nothing(site: Path, tmp_path: Path):
    settings = {"source": "package", "package": "weights-for-tests", "file": "w.gguf", "sha256": "00"}
    with pytest.raises(UserError, match="sha256"):
        prepare_model(settings, "m", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Part:
    """Something with save_pretrained, which may be interrupted half-way."""

    def __init__(self, name: str, interrupted: bool = False) -> None:
        self.name, self.interrupted = name, interrupted

    def save_pretrained(self, folder: Path) -> None:
        (folder / self.name).write_text(self.name)
        if self.interrupted:
            raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_folder(tmp_path: Path):
    target = tmp_path / "model"
    package._write_whole(target, Part("first"))
    (tmp_path / ".model.tmp").mkdir()  # of a killed job
    with pytest.raises(KeyboardInterrupt):
        package._write_whole(target, Part("second"), Part("third", interrupted=True))
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")] == ["model", "model/first"]
    package._write_whole(target, Part("second"))
    assert [file.name for file in target.iterdir()] == ["second"]


@pytest.fixture
def small_gguf(tmp_path: Path) -> Path:
    """Two tokens and a tensor."""
    writer = gguf.GGUFWriter(tmp_path / "small.gguf", "llama")
    writer.add_token_list(["wörld", ""])
    writer.add_array("small.sizes", [3, 1, 2])
    writer.add_tensor("token_embd.weight", np.arange(6, dtype=np.float32).reshape(2, 3))
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    return tmp_path / "small.gguf"


def test_a_gguf_file_is_read_once_and_as_its_package_reads_it(small_gguf: Path):
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
    own = gguf.GGUFReader, gguf.get_tensor_name_map
    with pytest.raises(OSError, match="unreadable"), read_once():
        raise OSError("unreadable")
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == own


def test_too_little_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage(10**10, 9 * 10**9, 10**9))
    disk.require_free(tmp_path / "not" / "yet", 10**9, "m")
    with pytest.raises(UserError, match=r"not/yet: model m needs 1\.50 GB and 1\.00 GB are free"):
        disk.require_free(tmp_path / "not" / "yet", 15 * 10**8, "m")


def test_path_is_absolute(model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(model_folder.parent)
    assert find_folder("mine", "m") == model_folder


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no .*safetensors; convert"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_path_lacks_a_file(model_folder: Path, file: str, message: str):
    (model_folder / file).unlink()
    with pytest.raises(UserError, match=rf"models\.m\.path: .*{message}"):
        find_folder(str(model_folder), "m")


def test_pickled_weights_are_refused(model_folder: Path):
    (model_folder / "model.safetensors").rename(model_folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        find_folder(str(model_folder), "m")


def test_path_that_is_no_folder(tmp_path: Path):
    with pytest.raises(UserError, match=r"models\.m\.path: .*nowhere is no folder"):
        find_folder(str(tmp_path / "nowhere"), "m")


def test_missing_shard_is_named(model_folder: Path):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"lacks model-2\.safetensors"):
        check_folder(model_folder, WHERE)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_pointer_in_place_of_a_file_is_called_one(model_folder: Path, name: str):
    (model_folder / name).write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 538090408\n"
    )
    with pytest.raises(UserError, match=rf"models\.m: .*{name} is a Git LFS pointer.*git lfs pull"):
        check_folder(model_folder, WHERE)


@pytest.mark.parametrize(
    "content", [WEIGHTS[:-1], WEIGHTS[:20], WEIGHTS + b"x", b"", b"<!DOCTYPE html><html>Entry not found</html>"]
)
def test_weights_that_are_not_whole_are_named(model_folder: Path, content: bytes):
    (model_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=rf"model\.safetensors \({len(content)} bytes\) is cut off or no safetensors"):
        check_folder(model_folder, WHERE)


def test_a_shard_of_another_model_is_named(model_folder: Path):
    (model_folder / "model.safetensors.index.json").write_text('{"weight_map": {"other": "model.safetensors"}}')
    with pytest.raises(UserError, match=r"model\.safetensors lacks tensor other"):
        check_folder(model_folder, WHERE)


def test_remote_code_is_refused(model_folder: Path):
    (model_folder / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(UserError, match="auto_map"):
        check_folder(model_folder, WHERE)


def test_digests_of_a_folder(model_folder: Path):
    bar = SilentBar()
    digests = file_digests(model_folder, lambda total, unit: bar)
    assert digests["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert sorted(digests) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert sum(bar.seen) == sum(file.stat().st_size for file in model_folder.iterdir())


@pytest.mark.parametrize("revision", [None, "", "main", PINNED[:12], PINNED.replace("a", "g")])
def test_unpinned_revision(revision):
    with pytest.raises(UserError, match=r"models\.m\.revision: .* is not pinned; give the commit's 40 hex digits"):
        hub.fetch("owner/name", revision, "m")


@pytest.mark.parametrize("model_id", ["a/b/c", "", "a b", None])
def test_bad_id(model_id):
    with pytest.raises(UserError, match=r"models\.m\.id"):
        hub.fetch(model_id, PINNED, "m")


File = namedtuple("File", "filename file_size will_download")


class FakeHub:
    """Stands for huggingface_hub.snapshot_download: an empty cache, a listing, a folder after the download."""

    def __init__(self, listing: list[File] | Exception, folder: Path) -> None:
        self.listing, self.folder, self.fetched = listing, folder, []

    def __call__(self, model_id, *, dry_run=False, local_files_only=False, allow_patterns=(), **_):
        from huggingface_hub.errors import LocalEntryNotFoundError

        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        if isinstance(self.listing, Exception):
            raise self.listing
        if dry_run:
            return self.listing
        assert not any("bin" in pattern for pattern in allow_patterns)
        self.fetched.append(model_id)
        return str(self.folder)


@pytest.fixture
def fake_hub(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    import huggingface_hub

    fake = FakeHub([File("config.json", 10, True), File("model.safetensors", 1000, True)], model_folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    return fake


def test_hub_model_is_fetched(fake_hub: FakeHub):
    assert hub.fetch("owner/name", PINNED, "m") == fake_hub.folder
    assert fake_hub.fetched == ["owner/name"]


def test_hub_model_without_safetensors(fake_hub: FakeHub):
    fake_hub.listing = [File("config.json", 10, True)]
    with pytest.raises(UserError, match="no safetensors"):
        hub.fetch("owner/name", PINNED, "m")
    assert not fake_hub.fetched


def test_hub_model_too_large_for_the_disk(fake_hub: FakeHub):
    fake_hub.listing = [File("model.safetensors", 10**18, True)]
    with pytest.raises(UserError, match="GB are free"):
        hub.fetch("owner/name", PINNED, "m")
    assert not fake_hub.fetched


class RepositoryNotFoundError(OSError): ...


class GatedRepoError(RepositoryNotFoundError): ...


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (ConnectionError("no route"), "cannot be reached; check the network"),
        (RepositoryNotFoundError("404"), "no such model"),
        (GatedRepoError("403"), "terms must be accepted"),
    ],
)
def test_hub_errors_are_one_line(fake_hub: FakeHub, error: Exception, mend: str):
    fake_hub.listing = error
    with refused(mend) as caught:
        hub.fetch("owner/name", PINNED, "m")
    assert "models.m.id: owner/name" in str(caught.value)


def test_friendly_names_of_llama():
    shape = {"model_type": "llama", "layers": 2, "heads": 4, "kv_heads": 2, "hidden_size": 64, "rms_norm_eps": 1e-6}
    expected = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64}
    assert fields(shape) == {**expected, "rms_norm_eps": 1e-6}


def test_friendly_names_of_gpt2():
    shape = {
        "model_type": "gpt2", "layers": 12, "heads": 12, "kv_heads": 12, "head_dim": 64, "hidden_size": 768,
        "intermediate_size": 3072, "max_position_embeddings": 1024,
    }  # fmt: skip
    known = {"n_layer", "n_head", "n_embd", "n_inner", "n_positions"}
    expected = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_inner": 3072, "n_positions": 1024}
    assert fields(shape, known) == expected


def test_friendly_names_of_opt_keep_its_embedding_as_wide():
    known = LLAMA_FIELDS | {"ffn_dim", "word_embed_proj_dim"}
    shape = {"model_type": "opt", "hidden_size": 5120, "intermediate_size": 20480}
    assert fields(shape, known) == {"hidden_size": 5120, "ffn_dim": 20480, "word_embed_proj_dim": 5120}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"layer": 2}, r"shape\.layer: unknown key for llama; did you mean layers"),
        ({"layers": 0}, r"shape\.layers: 0 is no size"),
        ({"layers": "32"}, r"shape\.layers: '32' is no size"),
        ({"layers": True}, r"shape\.layers: True is no size"),
        ({"layers": 2, "num_hidden_layers": 3}, "given twice"),
        ({"heads": 3, "hidden_size": 64}, "3 do not divide hidden_size 64"),
        ({"heads": 4, "kv_heads": 3}, "3 do not divide heads 4"),
    ],
)
def test_bad_shapes(shape: dict, message: str):
    with pytest.raises(UserError, match=message):
        fields({"model_type": "llama", **shape})


def test_gpt2_has_no_grouped_heads():
    with pytest.raises(UserError, match=r"shape\.kv_heads: gpt2 has no such freedom"):
        fields({"model_type": "gpt2", "heads": 12, "kv_heads": 4}, {"n_head"})


def test_special_ids_beyond_the_vocabulary_are_dropped():
    config = {"vocab_size": 256, "bos_token_id": 50256, "eos_token_id": 2, "pad_token_id": None}
    assert _within_vocabulary(config, 256) == {**config, "bos_token_id": None}

"""Models from the hub: pinned, downloaded without pickled weights, and every error in one line."""

from collections import namedtuple
from pathlib import Path

import pytest
from builders.configured import configured
from builders.model_settings import PINNED
from builders.refusals import refused

from kvbench.errors import UserError
from kvbench.model import hub


@pytest.mark.parametrize("revision", [None, "", "main", PINNED[:12], PINNED.replace("a", "g")])
def test_unpinned_revision(revision):
    with pytest.raises(UserError, match=r"models\.m\.revision: .* is not pinned; give the commit's 40 hex digits"):
        hub.fetch("owner/name", revision, "m")


BAD_IDS = [
    "a/b/c",
    "",
    "a b",
    "..",
    "a/..",
    "a--b",
    "a..b",
    "a.",
    "a/b-",
    "-a",
    "o/n.git",
    f"{'x' * 60}/{'y' * 60}",
    "a\n",
]


@pytest.mark.parametrize("model_id", [*BAD_IDS, None])
def test_bad_id(model_id):
    with pytest.raises(UserError, match=r"models\.m\.id: .* is not a model id; write owner/name"):
        hub.fetch(model_id, PINNED, "m")


@pytest.mark.parametrize("model_id", BAD_IDS)
def test_a_bad_id_is_refused_before_anything_runs(model_id):
    model = {"source": "hub", "id": model_id, "revision": PINNED}
    with refused(r"^config\.yaml: models\.smollm2-135m\.id: "):
        configured(models={"smollm2-135m": model})


@pytest.mark.engine
def test_ids_are_those_that_the_hubs_client_takes():
    from huggingface_hub.utils import validate_repo_id

    for model_id in ("gpt2", "owner/name", "o_/n-1.5", "_a/b", "x" * 96):
        validate_repo_id(model_id)
        configured(models={"smollm2-135m": {"source": "hub", "id": model_id, "revision": PINNED}})


File = namedtuple("File", "filename file_size will_download")


class FakeHub:
    """A fake huggingface_hub.snapshot_download: an empty cache, a file listing, and a folder after the download."""

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


@pytest.mark.engine
def test_hub_model_is_fetched(fake_hub: FakeHub):
    assert hub.fetch("owner/name", PINNED, "m") == fake_hub.folder
    assert fake_hub.fetched == ["owner/name"]


@pytest.mark.engine
def test_hub_model_without_safetensors(fake_hub: FakeHub):
    fake_hub.listing = [File("config.json", 10, True)]
    with pytest.raises(UserError, match="no safetensors"):
        hub.fetch("owner/name", PINNED, "m")
    assert not fake_hub.fetched


@pytest.mark.engine
def test_hub_model_too_large_for_the_disk(fake_hub: FakeHub):
    fake_hub.listing = [File("model.safetensors", 10**18, True)]
    with pytest.raises(UserError, match="GB are free"):
        hub.fetch("owner/name", PINNED, "m")
    assert not fake_hub.fetched


class RepositoryNotFoundError(OSError): ...


class GatedRepoError(RepositoryNotFoundError): ...


@pytest.mark.engine
@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ConnectionError("no route"), "cannot be reached; check the network"),
        (RepositoryNotFoundError("404"), "no such model"),
        (GatedRepoError("403"), "terms must be accepted"),
    ],
)
def test_hub_errors_are_one_line(fake_hub: FakeHub, error: Exception, remedy: str):
    fake_hub.listing = error
    with refused(remedy) as caught:
        hub.fetch("owner/name", PINNED, "m")
    assert "models.m.id: owner/name" in str(caught.value)

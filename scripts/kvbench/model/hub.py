"""Source `hub`: a model of the Hugging Face hub at a pinned revision, in the hub's own cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.disk import require_free
from kvbench.model.folder import check_folder

PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
ID = rf"(?!.*(?:--|\.\.|\.git$))(?=.{{1,96}}$){PART}(?:/{PART})?"  # as the hub's own client has it
ALLOWED = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "vocab.txt", "merges.txt"]
IGNORED = ["*/*", "consolidated*"]  # exports and second copies of the weights
REMEDIES = {
    "RepositoryNotFoundError": "the hub knows no such model, or it is private; check id",
    "GatedRepoError": "the model's terms must be accepted first; do so on its page and log in with `hf auth login`",
    "RevisionNotFoundError": "the model has no such revision; check revision",
}
OFFLINE = "the hub cannot be reached; check the network, or copy the model here and use source: path"


def fetch(model_id: str, revision: str, name: str) -> Path:
    """The folder of the model in the hub's cache; the network is not used if the model is already there.

    Raises:
        UserError: not pinned, unknown, gated, no network, no safetensors, remote code, too little disk.
    """
    where = f"config.yaml: models.{name}"
    _require_pinned(model_id, revision, where)
    folder = _cached(model_id, revision)
    if folder is None or not _complete(folder):
        _check_listing(_snapshot(model_id, revision, where, dry_run=True), model_id, name, where)
        folder = Path(_snapshot(model_id, revision, where))
    check_folder(folder, f"{where}.id: {model_id}")
    return folder


def _require_pinned(model_id: Any, revision: Any, where: str) -> None:
    if not isinstance(model_id, str) or not re.fullmatch(ID, model_id):
        raise UserError(f"{where}.id: {model_id!r} is not a model id; write owner/name")
    if not isinstance(revision, str) or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise UserError(
            f"{where}.revision: {revision!r} is not pinned; give the commit's 40 hex digits from the history of "
            f"{model_id}'s files"
        )


def _cached(model_id: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _complete(folder: Path) -> bool:
    try:
        check_folder(folder, "")
    except UserError as error:
        return "Python code of its own" in str(error)
    return True


def _snapshot(model_id: str, revision: str, where: str, dry_run: bool = False) -> Any:
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(
            model_id, revision=revision, allow_patterns=ALLOWED, ignore_patterns=IGNORED, dry_run=dry_run
        )
    except Exception as error:  # the hub's client raises its own errors and those of its HTTP library and the system
        remedy = next((REMEDIES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in REMEDIES), OFFLINE)
        raise UserError(f"{where}.id: {model_id} at {revision}: {remedy}") from error


def _check_listing(files: list[Any], model_id: str, name: str, where: str) -> None:
    """Check before the download: the model has safetensors, and there is disk space for the missing files."""
    from huggingface_hub import constants

    if not any(file.filename.endswith(".safetensors") for file in files):
        raise UserError(f"{where}.id: {model_id} has no safetensors at this revision; use a revision or model that has")
    needed_bytes = sum(file.file_size or 0 for file in files if file.will_download)
    require_free(Path(constants.HF_HUB_CACHE), needed_bytes, name)

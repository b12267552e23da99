"""A token in the environment that nothing may write down."""

from __future__ import annotations

from pathlib import Path

SECRET = "hf_aSecretThatNobodyMayRead"
NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "VLLM_API_KEY", "OPENAI_API_KEY", "WANDB_API_KEY")
TOKENS = dict.fromkeys(NAMES, SECRET)


def told_in(folder: Path) -> list[Path]:
    """The files that have the token."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]

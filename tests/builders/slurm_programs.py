"""SLURM's programs as scripts that print what a test says, in the place of real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvbench.machine.slurm import Node

CALLS = "calls.txt"


def answering(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> Path:
    """Put programs on the path that print the text given, and note how they were called; return the file of notes."""
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / f"{name}.out").write_text(text)
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/{CALLS}\ncat {folder}/{name}.out\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder / CALLS


def node(name: str = "n1", **facts: object) -> Node:
    """A node of the default partition with 8 CPUs, 32 GB and 2 GPUs, for up to a day."""
    usual = {"partition": "main", "is_default": True, "cpus": 8, "memory_mb": 32_000, "gpus": 2, "limit_min": 1440.0}
    return Node(**{"name": name, **usual, "is_up": True, **facts})

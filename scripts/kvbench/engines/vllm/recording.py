"""What our scheduler is told of itself, in whichever process the engine runs.

Not by vLLM's `additional_config`: that enters the key of its compile cache, so that every run, with a folder of its
own, would compile anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "KVBENCH_RECORDING"


@dataclass(frozen=True)
class Recording:
    """Where records go, the passes that block ids are read in, every so many steps, and the passes without a record."""

    folder: str
    block_stride: int
    block_passes: list[int]
    silent_passes: list[int]

    def announce(self) -> None:
        """Tell a scheduler that this process, or a child begun later, makes."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def announced(cls) -> Recording:
        """What was told."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def file(self, number: int) -> Path:
        """The record of a pass."""
        return Path(self.folder) / f"schedule-{number}.npz"

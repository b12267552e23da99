"""Settings of our scheduler, passed through the environment to the process that runs the engine.

vLLM's `additional_config` is not used: it is part of the compile cache's key, so every run, with its own folder, would
compile again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "KVBENCH_RECORDING"


@dataclass(frozen=True)
class Recording:
    """The folder of records, and by number the passes that read block ids, time their upkeep, or are not recorded.

    Block ids are read every `block_stride` steps. `reservation` is the policy by which requests are admitted, if any.
    """

    folder: str
    block_stride: int
    block_passes: list[int]
    upkeep_passes: list[int]
    silent_passes: list[int]
    reservation: str | None = None

    def announce(self) -> None:
        """Pass these settings to schedulers created in this process or in children started later."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def announced(cls) -> Recording:
        """The settings that `announce` passed on."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def file(self, number: int) -> Path:
        """The file of a pass's record."""
        return Path(self.folder) / f"schedule-{number}.npz"

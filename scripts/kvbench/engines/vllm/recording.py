"""Settings of our scheduler, passed through the environment to the process that runs the engine.

vLLM's `additional_config` is not used: it is part of the compile cache's key, so every run, with its own folder, would
compile again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from kvbench.engines.recorded_passes import RecordedPasses

VARIABLE = "KVBENCH_RECORDING"


@dataclass(frozen=True)
class Recording:
    """The folder of records, what is recorded in which passes, and the policy that admits requests, if any."""

    folder: str
    passes: RecordedPasses
    reservation: str | None = None

    def announce(self) -> None:
        """Pass these settings to schedulers created in this process or in children started later."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def announced(cls) -> Recording:
        """The settings that `announce` passed on."""
        told = json.loads(os.environ[VARIABLE])
        return cls(**told | {"passes": RecordedPasses(**told["passes"])})

    def file(self, number: int) -> Path:
        """The file of a pass's record."""
        return Path(self.folder) / f"schedule-{number}.npz"

"""Settings of our scheduler, passed through the environment to the process that runs the engine.

vLLM's `additional_config` is not used: it is part of the compile cache's key, so every run, with its own folder, would
compile again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.files import read_json, write_json
from kvbench.kv.groups import ONE_GROUP, Paging

VARIABLE = "KVBENCH_RECORDING"
TABLES = "block-tables.json"


@dataclass(frozen=True)
class Recording:
    """The folder of records, what is recorded in which passes, the policy that admits requests, if any, and the block
    tables that are planned.
    """

    folder: str
    passes: RecordedPasses
    reservation: str | None = None
    paging: Paging = ONE_GROUP

    def announce(self) -> None:
        """Pass these settings to schedulers created in this process or in children started later."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def announced(cls) -> Recording:
        """The settings that `announce` passed on."""
        told = json.loads(os.environ[VARIABLE])
        return cls(**told | {"passes": RecordedPasses(**told["passes"]), "paging": Paging.of(told["paging"])})

    def file(self, number: int) -> Path:
        """The file of a pass's record."""
        return Path(self.folder) / f"schedule-{number}.npz"

    def write_tables(self, groups: Sequence[Any]) -> None:
        """Write the block tables that vLLM made, `KVCacheConfig.kv_cache_groups`, for `made_tables`."""
        tables = [(getattr(g.kv_cache_spec, "sliding_window", None), len(g.layer_names)) for g in groups]
        write_json(Path(self.folder) / TABLES, tables)

    def made_tables(self) -> list[tuple[int | None, int]]:
        """Window and number of layers of each block table that vLLM made."""
        return [(window, layers) for window, layers in read_json(Path(self.folder) / TABLES)]

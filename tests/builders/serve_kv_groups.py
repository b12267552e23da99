"""Program: serve tiny models one after another with vLLM, and write what was recorded: FOLDER NAME...

vLLM's engines end the process groups of others in their process, so tests start this in a process of its own.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from builders.kv_group_models import requests_past_the_window, settings_of
from builders.tiny import generate
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.measure.loading import check_pool


def main(folder: Path, names: list[str]) -> None:
    """For each name, `model@engine`, write to `<name>.pickle`: settings, checks, capacity, what was generated, settings
    in force.
    """
    from kvbench.engines.vllm.runner import VllmEngine

    for name in names:
        model, _, kind = name.partition("@")
        engine = VllmEngine(settings_of(model, folder / model, kind))
        engine.prepare(RecordedPasses([0]))
        try:
            engine.load()
            loaded = check_pool(engine)
            generated = engine.collect(generate(engine, requests_past_the_window()), 0)
            found = (engine.settings, loaded, engine.capacity(), generated, engine.in_force())
        finally:
            engine.close()
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

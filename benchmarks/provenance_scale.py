"""Seconds that a call spends on looking at its files before the first job, by the number of runs.

    python benchmarks/provenance_scale.py [runs] [KiB of a file]

Each run has six files and a manifest, and five tables are made from all of them. Printed are the look at files that
nobody has touched, at a copy of them all, whose files are read once, at the same copy again, and the check of a job
that reads all of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from kvbench.provenance.looking import look  # noqa: E402
from kvbench.provenance.manifest import Manifest  # noqa: E402
from kvbench.provenance.recording import check_inputs  # noqa: E402
from kvbench.provenance.states import State  # noqa: E402

FILES = ("requests.parquet", "kv.parquet", "device.parquet", "blocks.parquet", "margins.parquet", "run.json")
TABLES = 5


def main(runs: int, kib: int) -> None:
    """Print the seconds of each look."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        files = make(runs, kib << 10)
        print(f"{runs} runs, {len(files)} files of {kib} KiB")
        show("nobody has touched them", lambda: look(files))
        for file in files:
            os.utime(file)
        show("all have new time stamps", lambda: look(files))
        show("the same again", lambda: look(files))
        show("a job that reads all of them", lambda: check_inputs(files))
        os.chdir("/")


def make(runs: int, size: int) -> list[str]:
    """Write the files of runs and all manifests; the paths of the files."""
    found: dict[str, State] = {}
    for number in range(runs):
        folder = Path(f"results/runs/model/vllm/workload/seed-{number}")
        folder.mkdir(parents=True)
        own = {str(folder / name): write(folder / name, size) for name in FILES}
        Manifest("run_vllm", ("model", "vllm", "workload", folder.name), "", {}, (), {}, own).write()
        found |= own
    read = {path: state.sha256 for path, state in found.items()}
    for number in range(TABLES):
        table = f"results/tables/{number}.csv"
        Path(table).parent.mkdir(exist_ok=True)
        found[table] = write(Path(table), size)
        Manifest(f"summarise_{number}", (), "", {}, (), read, {table: found[table]}).write()
    return list(found)


def write(path: Path, size: int) -> State:
    path.write_bytes(os.urandom(size))
    return State.of(path)


def show(what: str, work: Callable[[], object]) -> None:
    begin, used = time.perf_counter(), time.process_time()
    work()
    print(f"{what}: {time.perf_counter() - begin:.2f} s, {time.process_time() - used:.2f} s of CPU")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(1000, 64)[len(given) :])

"""Read 10^6 and 10^7 requests of an Azure-like trace for a replay, each in its own process; print seconds and memory.

    python benchmarks/trace_scale.py
    python benchmarks/trace_scale.py --sizes 1000000 --compress

The trace is made first, with seeded lengths and times, in a temporary folder: 37 bytes a request, so 0.4 GB for 10^7.
Seconds are those of reading and of making the replay's trace; peak memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from kvbench.replay.requests import trace_of

PART = 500_000
SCENARIO = {
    "max_length": 8192,
    "shared_prefix_tokens": 0,
    "prefix_sharing": False,
    "too_long": "refuse",
    "bad_turns": "refuse",
    "step_time": {"constant_s": 0.02, "source": "any: only the reading is measured"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--compress", action="store_true", help="with gzip")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.read)
        return
    print(f"{'requests':>12}{'seconds':>9}{'CPU s':>8}{'GiB':>7}")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / ("trace.csv.gz" if arguments.compress else "trace.csv")
            write(file, size)
            output = subprocess.run(
                [sys.executable, __file__, "--read", file], check=True, stdout=subprocess.PIPE
            ).stdout
        found = json.loads(output)
        print(f"{found['requests']:>12,}{found['seconds']:>9.1f}{found['cpu_s']:>8.1f}{found['gib']:>7.2f}", flush=True)


def write(file: Path, size: int) -> None:
    """Write a trace of `size` requests, ten a second on average."""
    rng, now = np.random.default_rng(0), np.datetime64("2023-11-16T18:15:46.680590", "ns")
    with gzip.open(file, "wt", 1) if file.suffix == ".gz" else open(file, "w") as stream:
        stream.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for begin in range(0, size, PART):
            count = min(PART, size - begin)
            times = now + np.cumsum(rng.integers(0, 2_000_000, count) * 100).astype("timedelta64[ns]")
            texts = (str(time).replace("T", " ")[:27] for time in times)
            lengths = rng.integers(1, [4000, 400], (count, 2)).tolist()
            stream.writelines(f"{text},{p},{o}\n" for text, (p, o) in zip(texts, lengths, strict=True))
            now = times[-1]


def read(file: str) -> None:
    """Read a trace as `run_replay` does and print a record."""
    begin, cpu = time.monotonic(), time.process_time()
    trace = trace_of(SCENARIO | {"file": file}, 0, "replays.trace-scale")
    found = {"requests": len(trace), "seconds": time.monotonic() - begin, "cpu_s": time.process_time() - cpu}
    print(json.dumps(found | {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


if __name__ == "__main__":
    main()

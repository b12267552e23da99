"""Time that a finished run took, and the pipeline's own share of it.

    snakemake --cores 1 && python benchmarks/default_run.py [FOLDER]

Reads Snakemake's log of the last call that ran engines in FOLDER (default: the current one) and the runs of that call.
The pipeline's own share is all time except importing, loading, warm-up and generation of the engines.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path


def main(folder: Path) -> None:
    started, seconds = last_call(folder)
    records = [
        json.loads(p.read_text()) for p in folder.glob("results/runs/**/run.json") if p.stat().st_mtime > started
    ]
    engines = sum(map(engine_seconds, records))
    print(
        json.dumps(
            {
                "runs": len(records),
                "total_s": round(seconds, 1),
                "engines_s": round(engines, 1),
                "own_share": round(1 - engines / seconds, 3),
            },
            indent=2,
        )
    )


def last_call(folder: Path) -> tuple[float, float]:
    """When the last call that ran an engine began (seconds since the epoch), and how many seconds it took."""
    for log in sorted((folder / ".snakemake/log").glob("*.snakemake.log"), reverse=True):
        text = log.read_text(errors="replace")
        elapsed = re.search(r"Elapsed time: (\d+):(\d+):([\d.]+)", text)
        if elapsed and re.search(r"rule run_(traditional|vllm):", text):
            hours, minutes, seconds = map(float, elapsed.groups())
            began = datetime.datetime.strptime(log.name.split(".")[0], "%Y-%m-%dT%H%M%S").timestamp()
            return began, 3600 * hours + 60 * minutes + seconds
    sys.exit(f"{folder}: no finished call of snakemake that ran an engine; run snakemake --cores 1 first")


def engine_seconds(record: dict) -> float:
    """Importing, loading, warming up and generating, in a run's own process."""
    timing = record["timing"]
    return timing["import_s"] + timing["load_s"] + sum(repeat["wall_s"] for repeat in record["repeats"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))

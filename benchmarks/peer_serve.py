"""Compare our `vllm` under arrivals with vLLM's own OpenAI server under `vllm bench serve`.

    python benchmarks/peer_serve.py --model resources/models/smollm2-135m/model.json \\
        --workload results/workloads/smollm2-135m/chat.parquet \\
        --run results/runs/smollm2-135m/vllm/chat/requests_per_s-2/run.json --passes 3

Reads the latencies of a finished run with arrivals (`--run`), starts two servers with its engine arguments, one with
our recording scheduler and one with vLLM's, and sends both the run's requests at the run's times, each pass at those of
another timed repeat. Only one server at a time is measured, and which one begins alternates.

docs/tables.md says what is equal on both sides and what differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import report, run, turn

from kvbench.benchmarks.api_server import ServerOrder
from kvbench.benchmarks.bench_serve import Pass, Send, Served, client
from kvbench.benchmarks.latencies import MEASURES, comparison, hook_share_of_step
from kvbench.benchmarks.servers import Server, start
from kvbench.errors import UserError
from kvbench.files import read_json
from kvbench.kv.groups import LayerGroup
from kvbench.kv.schedule import Schedule
from kvbench.lifetime.parents import exit_when_terminated
from kvbench.machine.threads import set_threads
from kvbench.measure.orders import Order, resolve
from kvbench.workload.latencies import of_requests
from kvbench.workload.read import read_workload

IN_PROCESS, RECORDING, PLAIN = "vllm", "vllm bench serve, recording", "vllm bench serve"
START_LIMIT_S = 900.0


def main() -> None:
    arguments = parse()
    exit_when_terminated()
    record = read_json(arguments.run)
    passes = passes_of(arguments, record)
    answers = os.dup(1)
    os.dup2(2, 1)  # vLLM's benchmark prints
    found = measure(arguments, record, passes)
    os.dup2(answers, 1)
    report(arguments, found)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model.json")
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="run.json of engine vllm at a rate of requests")
    parser.add_argument("--requests", type=Path, help="its requests.parquet; by default beside run.json")
    parser.add_argument("--environment", type=Path, default=Path("results/environment.json"))
    parser.add_argument("--passes", type=int, default=6, help="timed passes of each server")
    parser.add_argument("--start-limit-s", type=float, default=START_LIMIT_S, help="for a server to start")
    parser.add_argument("--logs", type=Path, default=Path("logs/run_benchmark"), help="folder of the servers' logs")
    parser.add_argument("--out", type=Path, help="write the result to this JSON file too")
    return parser.parse_args()


def passes_of(arguments: argparse.Namespace, record: dict[str, Any]) -> list[Pass]:
    """What each pass sends: the run's timed repeats in turn, as many as there are passes."""
    rows = pd.read_parquet(arguments.requests or arguments.run.with_name("requests.parquet"))
    timed = [one["repeat"] for one in record["repeats"] if one["timed"] and one["scope"] == "all"]
    if rows.loc[rows["repeat"].isin(timed), "due_s"].isna().any():
        raise UserError(f"{arguments.run}: all requests were submitted at once; peer-serve needs a run with arrivals")
    if arguments.passes > len(timed):
        raise UserError(f"{arguments.run}: has {len(timed)} timed repeats for {arguments.passes} passes; lower passes")
    prompts = {one.request_id: list(one.prompt_token_ids) for one in read_workload(arguments.workload)}
    repeats = [rows[rows["repeat"] == number].sort_values("due_s") for number in timed[: arguments.passes]]
    return [Pass(repeat, [prompts[name] for name in repeat["request_id"]]) for repeat in repeats]


def measure(arguments: argparse.Namespace, record: dict[str, Any], passes: list[Pass]) -> dict[str, Any]:
    """Load both servers, then let them take turns; no process or folder stays behind."""
    with turn(arguments) as taken, tempfile.TemporaryDirectory(prefix="kvbench-") as folder, ExitStack() as stack:
        order = Order(record["settings"]["given"], arguments.environment, arguments.model, arguments.workload, {})
        settings = replace(resolve(order), groups=tuple(map(LayerGroup.of, record["groups"])))
        set_threads(settings.threads)
        folders = {RECORDING: Path(folder, "r"), PLAIN: Path(folder, "p")}  # short: sockets have paths of 107 bytes
        orders = [
            ServerOrder(asdict(settings), record["settings"]["in_force"], name == RECORDING, 0, str(place), os.getpid())
            for name, place in folders.items()
        ]
        servers = dict(zip(folders, start(orders, logs_of(arguments), stack), strict=True))
        send = client({"temperature": settings.temperature, "top_p": settings.top_p})
        for server in servers.values():
            server.wait_until_ready(arguments.start_limit_s)
        taken.measure()
        served = take_turns(servers, passes, send)
        return result(record, passes, served, recorded(folders[RECORDING]))


def logs_of(arguments: argparse.Namespace) -> list[Path]:
    """The logs of the recording and of the plain server, named after the result."""
    name = arguments.out.stem if arguments.out else "peer-serve"
    return [arguments.logs / f"{name}.{side}.log" for side in ("recording", "plain")]


def take_turns(servers: dict[str, Server], passes: list[Pass], send: Send) -> dict[str, list[Served]]:
    """Passes of both servers in turn; a warm-up of each, with the first pass's requests, is discarded."""
    found: dict[str, list[Served]] = {name: [] for name in servers}
    for number in range(len(passes) + 1):
        one = passes[max(0, number - 1)]
        for name in list(servers)[:: 1 if number % 2 else -1]:
            served = send(servers[name].url, one)
            servers[name].end_pass()
            median_ms = 1e3 * float(np.nanmedian(served.latencies.tpot_s))
            print(f"{name}, pass {number}: TPOT {median_ms:.2f} ms (median)", file=sys.stderr, flush=True)
            if number:
                found[name].append(served)
    return found


def recorded(folder: Path) -> list[Schedule]:
    """The schedules of the recording server's passes but the first."""
    files = sorted(folder.glob("schedule-*.npz"), key=lambda path: int(path.stem.partition("-")[2]))
    return [Schedule.load(file) for file in files[1:]]


def result(
    record: dict[str, Any], passes: list[Pass], served: dict[str, list[Served]], schedules: list[Schedule]
) -> dict[str, Any]:
    """Rows that compare each two sides by each measure, and what tells how fair they are."""
    ours = [of_requests(one.requests).of(one.window) for one in passes]
    sides = {IN_PROCESS: ours, **{name: [one.latencies for one in found] for name, found in served.items()}}
    pairs = [(IN_PROCESS, RECORDING), (IN_PROCESS, PLAIN), (RECORDING, PLAIN)]
    tokens = sum(int(one.requests["output_tokens"].sum()) for one in passes) / len(passes)
    share = hook_share_of_step([one.hook_s for one in schedules], [one.t_ns for one in schedules])
    rows = [comparison(pair, sides[pair[0]], sides[pair[1]], name) for pair in pairs for name in MEASURES]
    for row in rows:
        if (row["ours"], row["measure"]) == (RECORDING, "tpot"):
            row["hook_share_of_step"] = share
    return {
        "kind": "peer-serve",
        "requests_per_s": record["settings"]["given"].get("requests_per_s"),
        "passes": len(passes),
        "ours_output_tokens": tokens,
        "other_output_tokens": tokens,
        "late_p99_s": {
            IN_PROCESS: p99(one.requests["submitted_s"] - one.requests["due_s"] for one in passes),
            **{name: p99(one.late_s for one in found) for name, found in served.items()},
        },
        "comparisons": rows,
    }


def p99(passes: Iterable[Any]) -> float | None:
    """The 99th percentile of all values of all passes, or None if there are none."""
    values = np.concatenate([np.asarray(one, float) for one in passes])
    known = values[~np.isnan(values)]
    return float(np.percentile(known, 99)) if len(known) else None


if __name__ == "__main__":
    run(main)

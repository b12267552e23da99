"""vllm beside vLLM's server: what the server is started with, what is sent, and what is refused."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import psutil
import pytest
from builders.configured import configured
from builders.engine_settings import engine_settings
from builders.open_loop import RATE, TPOT_S, TTFT_S, write_open_loop
from builders.places import IMPORT_PATH

from kvbench.benchmarks import api_server, programs, servers
from kvbench.benchmarks.api_server import OURS, ServerOrder, server_arguments
from kvbench.benchmarks.bench_serve import Pass, Served, benchmark_arguments, served_of
from kvbench.benchmarks.table import table
from kvbench.config import paths
from kvbench.config.checks.benchmarks import check_benchmarks
from kvbench.config.parameters import benchmark_settings
from kvbench.config.runs import RunName, plan
from kvbench.config.wording import Invalid
from kvbench.errors import UserError
from kvbench.workload.latencies import Latencies, of_requests

OWN = {"kind": "peer-serve", "model": "smollm2-135m", "workload": "mixed", "requests_per_s": 2, "passes": 3}
LENGTHS = [(4, 6), (5, 7), (6, 1), (7, 9)]


@pytest.fixture
def serving() -> dict:
    """A configuration in which vllm serves `mixed` at 2 and at 4 requests a second."""
    config = configured()
    own = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"], "kv_budget_mib": 7.5}
    config["runs"].append(own | {"sweep": {"requests_per_s": [4, 2.0]}})
    return config | {"benchmarks": {"b": dict(OWN)}}


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> ServerOrder:
    monkeypatch.setattr(api_server, "engine_arguments", lambda settings: {"max_num_seqs": 7, "scheduler_cls": "s"})
    in_force = {"max_num_seqs": 64, "max_num_batched_tokens": 512, "threads": 2}
    return ServerOrder(asdict(engine_settings("vllm")), in_force, True, 1, "/nowhere", 1)


def test_it_takes_the_run_at_its_rate(serving: dict) -> None:
    assert benchmark_settings(serving, "b")["run"]["kv_budget_mib"] == 7.5
    folder = "results/runs/smollm2-135m/vllm/mixed/requests_per_s-2"
    files = paths.benchmark_inputs(serving, "b")
    assert (files["run"], files["requests"]) == (f"{folder}/run.json", f"{folder}/requests.parquet")
    check_benchmarks(serving, plan(serving))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"requests_per_s": 3}, "no entry of runs serves vllm with smollm2-135m and mixed at requests_per_s 3"),
        ({"requests_per_s": None}, "requests_per_s is missing"),
        ({"passes": 7}, "its run has 6 repeats for 7 passes"),
        ({"kind": "recording"}, "recording submits all requests at once; remove it"),
        ({"kind": "recording", "requests_per_s": None}, "recording needs at least 6"),
    ],
)
def test_what_it_cannot_compare_is_refused(serving: dict, changes: dict, problem: str) -> None:
    own = serving["benchmarks"]["b"] | changes
    serving["benchmarks"]["b"] = {key: value for key, value in own.items() if value is not None}
    with pytest.raises(Invalid, match=problem):
        check_benchmarks(serving, plan(serving))


def test_the_run_of_the_other_kinds_is_not_at_a_rate(serving: dict) -> None:
    serving["benchmarks"]["b"] = {"kind": "recording", "model": "smollm2-135m", "workload": "mixed", "passes": 6}
    only = [one for one in plan(serving) if one[1].point != "base"]
    assert RunName("smollm2-135m", "vllm", "mixed", "requests_per_s-2") in [run for _, run, _ in only]
    with pytest.raises(Invalid, match="no entry of runs serves vllm"):
        check_benchmarks(serving, only)


def test_the_program_gets_the_run_and_no_limits() -> None:
    files = {"model": "m.json", "run": "r/run.json", "requests": "r/requests.parquet"}
    settings = OWN | {"run": {"max_length": 64}, "batch": 8}
    found = programs.arguments(settings, files, "out.json")
    assert Path(found[0]).name == "peer_serve.py"
    assert found[1:] == [part for pair in zip(
        ("--model", "--run", "--requests", "--passes", "--out"), (*files.values(), "3", "out.json"), strict=True
    ) for part in pair]  # fmt: skip


def test_the_server_has_the_runs_arguments_and_limits_in_force(order: ServerOrder) -> None:
    """What the run's settings give goes before what was in force; threads are no engine argument."""
    assert server_arguments(order) == {"max_num_seqs": 7, "max_num_batched_tokens": 512, "scheduler_cls": "s"}


def test_without_recording_vllms_own_classes_serve(order: ServerOrder) -> None:
    plain = ServerOrder(**asdict(order) | {"recording": False})
    assert not set(OURS) & set(server_arguments(plain))
    assert set(server_arguments(order)) - set(server_arguments(plain)) == {"scheduler_cls"}


def test_a_server_that_ends_at_once_is_named_with_its_log(order: ServerOrder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(servers.sys, "executable", "/bin/false")
    log = tmp_path / "logs/plain.log"
    own = ServerOrder(**asdict(order) | {"folder": str(tmp_path / "p")})
    with ExitStack() as stack:
        [server] = servers.start([own], [log], stack)
        with pytest.raises(UserError, match=f"ended with code 1 while it started; see {log}"):
            server.wait_until_ready(60)


def test_a_server_that_does_not_answer_is_ended(order: ServerOrder, tmp_path: Path, monkeypatch) -> None:
    """The group has two processes, and neither heeds SIGTERM."""
    program = tmp_path / "deaf"
    program.write_text("#!/bin/sh\ntrap '' TERM\nsleep 600 &\nwait\nsleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(servers.sys, "executable", str(program))
    monkeypatch.setattr(servers, "END_S", 0.2)
    with ExitStack() as stack:
        [server] = servers.start([ServerOrder(**asdict(order) | {"folder": str(tmp_path)})], [tmp_path / "log"], stack)
        with pytest.raises(UserError, match=r"did not answer within 0.5 s; see .*log"):
            server.wait_until_ready(0.5)
        group = psutil.Process(server.process.pid).children()
    assert server.process.returncode == -9
    assert len(group) == 1
    assert not alive(group)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while; a zombie waits only to be reaped by its new parent."""
    end = time.monotonic() + 20
    left = processes
    while left and time.monotonic() < end:
        left = [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return left


def sent(output_tokens: list[int]) -> Pass:
    rows = pd.DataFrame({"due_s": [float(i) for i in range(len(output_tokens))], "output_tokens": output_tokens})
    return Pass(rows, [[1]] * len(output_tokens))


def outcome(**changes) -> dict:
    """What vLLM's benchmark returns for two requests, the second of which is sent 5 ms late."""
    found = {"errors": ["", ""], "output_lens": [3, 2], "ttfts": [0.1, 0.2], "itls": [[0.05, 0.05], [0.03]]}
    return found | {"start_times": [100.0, 101.005]} | changes


def test_what_vllm_measured_becomes_latencies_of_the_window() -> None:
    served = served_of(sent([3, 2]), outcome())
    assert served.latencies.ttft_s.tolist() == [0.2]
    assert served.latencies.e2e_s.tolist() == [pytest.approx(0.23)]
    assert served.latencies.tpot_s.tolist() == [pytest.approx(0.03)]
    assert served.late_s.tolist() == pytest.approx([0.0, 0.005])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"errors": ["", "Traceback\nBad Request"]}, "refused 1 requests: Bad Request"),
        ({"output_lens": [3, 1]}, "returned 4 tokens of 5"),
    ],
)
def test_a_pass_that_failed_is_refused(changes: dict, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        served_of(sent([3, 2]), outcome(**changes))


def test_requests_keep_their_own_times_and_no_other_is_sent() -> None:
    found = benchmark_arguments(SimpleNamespace(TaskType=SimpleNamespace(GENERATION=1)), "http://h:1", [], {"top_p": 1})
    assert (found["self_timed"], found["ready_check_timeout_sec"], found["num_warmups"]) == (True, 0, 0)
    assert found["ignore_eos"]
    assert found["api_url"] == "http://h:1/v1/completions"


@pytest.fixture
def arguments(tmp_path: Path) -> argparse.Namespace:
    files = write_open_loop(tmp_path, Path("tiny"), LENGTHS)
    return argparse.Namespace(run=files["run"], workload=files["workload"], requests=None, passes=2)


def test_a_pass_sends_a_timed_repeats_requests_as_they_come_due(
    program: Callable[[str], ModuleType], arguments: argparse.Namespace
) -> None:
    record = json.loads(arguments.run.read_text())
    first, second = program("peer_serve").passes_of(arguments, record)
    assert [set(one.requests["repeat"]) for one in (first, second)] == [{1}, {2}]
    assert first.requests["due_s"].is_monotonic_increasing
    assert [len(prompt) for prompt in first.prompts] == [prompt for prompt, _ in LENGTHS]
    assert first.requests["due_s"].tolist() != second.requests["due_s"].tolist()


def test_more_passes_than_repeats_and_a_run_without_arrivals_are_refused(
    program: Callable[[str], ModuleType], arguments: argparse.Namespace
) -> None:
    passes_of, record = program("peer_serve").passes_of, json.loads(arguments.run.read_text())
    arguments.passes = 3
    with pytest.raises(UserError, match=r"run.json: has 2 timed repeats for 3 passes"):
        passes_of(arguments, record)
    rows = pd.read_parquet(arguments.run.with_name("requests.parquet"))
    rows.assign(due_s=None).to_parquet(arguments.run.with_name("requests.parquet"))
    with pytest.raises(UserError, match="needs a run with arrivals"):
        passes_of(arguments, record)


def test_the_result_becomes_rows_of_the_table(
    program: Callable[[str], ModuleType], arguments: argparse.Namespace, tmp_path: Path
) -> None:
    """Both servers take twice the run's time for everything."""
    peer = program("peer_serve")
    record = json.loads(arguments.run.read_text())
    passes = peer.passes_of(arguments, record)
    twice = []
    for one in passes:
        ours = of_requests(one.requests).of(one.window)
        twice.append(Served(Latencies(*(2 * value for value in vars(ours).values())), one.requests["due_s"].to_numpy()))
    found = peer.result(record, passes, {peer.RECORDING: twice, peer.PLAIN: twice}, [])
    (tmp_path / "b.json").write_text(json.dumps(found, allow_nan=False))
    rows = table({"b": OWN}, [tmp_path / "b.json"]).set_index(["ours", "other", "measure"])
    assert len(rows) == 9
    ours = rows.sort_index().loc[(peer.IN_PROCESS, peer.PLAIN)]
    assert ours["ratio"].tolist() == pytest.approx([0.5] * 3)
    assert ours["difference"].tolist() == pytest.approx([-0.5] * 3)
    assert ours.loc["tpot", "ours_median_s"] == pytest.approx(TPOT_S)
    assert ours.loc["ttft", "other_median_s"] == pytest.approx(2 * TTFT_S)
    assert set(rows["requests_per_s"]) == {RATE}
    assert set(rows["ours_output_tokens"]) == {sum(output for _, output in LENGTHS)}
    assert found["late_p99_s"][peer.IN_PROCESS] == pytest.approx(0.001)


def test_the_peers_room_does_not_import_vllm() -> None:
    names = ("api_server", "servers", "bench_serve", "latencies")
    modules = ", ".join(f"kvbench.benchmarks.{name}" for name in names)
    program = f"import sys, {modules}; raise SystemExit('vllm' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": IMPORT_PATH}, check=True)

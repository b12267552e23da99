"""Benchmark programs: their command lines, the table of their results, and the runs they refuse."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from builders.configured import complete, configured
from builders.engine_settings import engine_settings
from builders.models import bare_model
from builders.places import SCHEMA
from builders.requests import requests_of

from kvbench.benchmarks import programs as benchmarks
from kvbench.benchmarks.table import COLUMNS, table
from kvbench.config.parameters import benchmark_settings, run_settings
from kvbench.engines.transformers.batches import plan_batches
from kvbench.errors import UserError
from kvbench.files import write_json
from kvbench.yaml_files import read_yaml

FILES = {"environment": "e.json", "model": "m.json", "workload": "w.parquet"}
INPUTS = [part for name, file in FILES.items() for part in (f"--{name}", file)]


def _config(**own):
    benchmark = {"kind": "peer-hf", "model": "smollm2-135m", "workload": "mixed", **own}
    return configured(benchmarks={"b": benchmark})


def test_a_benchmark_takes_the_settings_of_its_run() -> None:
    config = _config(batch=5)
    config["runs"][1] |= {"max_length": 61, "kv_budget_mib": 7.5}
    found = benchmark_settings(config, "b")
    assert found["run"] == run_settings(config, "smollm2-135m", "hf-batch", "mixed", "base")
    assert (found["run"]["max_length"], found["run"]["kv_budget_mib"], found["batch"]) == (61, 7.5, 5)


@pytest.mark.parametrize("given", [[], ["--max-length", "48"]])
@pytest.mark.parametrize("program_name", ["peers", "recording_cost"])
def test_an_engine_can_be_made_from_the_settings(
    program: Callable[[str], ModuleType],
    program_name: str,
    given: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With those of a run as the rule gives them, and by hand with those of config.yaml."""
    bare_model(tmp_path)
    write_json(tmp_path / "e.json", {"device": "cpu"})
    files = {"environment": tmp_path / "e.json", "model": tmp_path / "model.json", "workload": "w.parquet"}
    run = benchmark_settings(_config(batch=5), "b")["run"]
    own = {"kind": "peer-vllm" if program_name == "peers" else "recording", "passes": 6, "batch": 5, "run": run}
    by_rule = benchmarks.arguments(own, {name: str(file) for name, file in files.items()}, "o.json")[1:]
    by_hand = [part for name, file in files.items() for part in (f"--{name}", str(file))] + given
    by_hand += ["--pair", "vllm"] if program_name == "peers" else []
    for words, length in ((by_rule, run["max_length"]), (by_hand, 48 if given else 512)):
        monkeypatch.setattr(sys, "argv", ["program", *words])
        monkeypatch.setattr(program("common"), "set_threads", lambda count: None)
        order, settings = program("common").settle(program(program_name).parse(), "vllm", temperature=1.0)
        assert (settings.engine, settings.temperature, settings.max_length) == ("vllm", 1.0, length)
        assert set(order.settings) >= set(run) - {"model", "workload", "point", "process", "read_blocks"}


def test_each_kind_calls_its_program() -> None:
    common = {"run": {"max_length": 64, "options": {"a": None}}, "passes": 12, "batch": 5}
    hf = benchmarks.arguments({"kind": "peer-hf", **common}, FILES, "out.json")
    assert Path(hf[0]).name == "peers.py"
    assert hf[1:5] == ["--pair", "hf", "--batch", "5"]
    assert hf[5:] == [
        "--environment",
        "e.json",
        "--model",
        "m.json",
        "--workload",
        "w.parquet",
        "--settings",
        '{"max_length": 64, "options": {"a": null}}',
        "--passes",
        "12",
        "--out",
        "out.json",
    ]
    vllm = benchmarks.arguments({"kind": "peer-vllm", "controls": ["again"], **common}, FILES, "out.json")
    assert vllm[1:8] == ["--pair", "vllm", "--batch", "5", "--controls", "again", "--environment"]
    recording = benchmarks.arguments({"kind": "recording", **common}, FILES, "out.json")
    assert Path(recording[0]).name == "recording_cost.py"
    assert "--pair" not in recording


def test_controls_are_compared_with_the_peer(
    program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the table they are rows of their own."""
    peers = program("peers")
    monkeypatch.setattr(sys, "argv", ["peers", "--pair", "vllm", *INPUTS, "--controls", "unrecorded", "again"])
    samples = {
        arm: [(s, 10), (s, 10)] for arm, s in {"ours": 2.0, "peer": 1.0, "unrecorded": 4.0, "again": 1.0}.items()
    }
    write_json(tmp_path / "b.json", peers.result(peers.parse(), samples))
    found = table({"b": {"model": "m", "workload": "w"}}, [tmp_path / "b.json"])
    peer = "vllm bench throughput --prequeue-requests"
    assert found[["kind", "ours", "other", "measure", "ratio"]].to_numpy().tolist() == [
        ["peer-vllm", "vllm", peer, "output_tokens_per_s", 0.5],
        ["peer-vllm", "vllm, recording off", peer, "output_tokens_per_s", 0.25],
        ["peer-vllm", "vLLM's benchmark in a second process", peer, "output_tokens_per_s", 1.0],
    ]


@pytest.mark.parametrize("sides", [2, 3, 5])
def test_each_side_takes_each_place_equally_often(program: Callable[[str], ModuleType], sides: int) -> None:
    arms = list("abcde"[:sides])
    rounds = [program("peers").order_of(arms, number) for number in range(2 * sides)]
    assert all(sorted(place) == sorted(2 * arms) for place in zip(*rounds, strict=True))


def test_the_schema_has_the_controls_of_the_program(program: Callable[[str], ModuleType]) -> None:
    own = read_yaml(SCHEMA)["$defs"]["benchmark"]["properties"]["controls"]
    assert own["items"]["enum"] == list(program("peers").CONTROLS)


def test_the_hf_pair_has_no_controls(
    program: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--pair", "hf", *INPUTS, "--controls", "again"])
    with pytest.raises(SystemExit):
        program("peers").parse()
    assert "--controls: only with --pair vllm" in capsys.readouterr().err


def test_a_failure_is_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "recording_cost.py"
    program.write_text(
        "import sys\nprint('chatter', file=sys.stderr)\nsys.exit('config.yaml: kv_budget_mib: too small')\n"
    )
    monkeypatch.setattr(benchmarks, "PROGRAMS", tmp_path)
    settings = {"kind": "recording", "run": {}, "passes": 6, "batch": 1}
    with pytest.raises(UserError, match=r"^recording: config.yaml: kv_budget_mib: too small$"):
        benchmarks.run_benchmark(settings, FILES, tmp_path / "out.json")


def test_the_table_has_a_row_a_benchmark(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps({"kind": "peer-hf", "ratio": 1.01, "device": "cpu"}))
    own = {"kind": "peer-hf", "model": "m", "workload": "w"}
    found = table({"b": own}, [tmp_path / "b.json"])
    assert found.loc[0, ["name", "model", "ratio"]].tolist() == ["b", "m", 1.01]
    assert pd.isna(found.loc[0, "hook_share_of_wall"])
    assert list(table({}, []).columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("own", "word"),
    [
        ({"workload": "guide", "kind": "recording"}, None),
        ({"workload": "mixt"}, "benchmarks.b.workload: unknown workload"),
        ({"model": "gpt"}, "benchmarks.b.model: unknown model"),
        ({"kind": "peer"}, "benchmarks.b.kind"),
        ({"passes": 5}, "benchmarks.b.passes"),
        ({"controls": ["again"]}, "benchmarks.b.controls: peer-hf has none"),
        ({"controls": ["agian"]}, "benchmarks.b.controls"),
    ],
)
def test_what_is_wrong_is_named(own, word) -> None:
    if word is None:
        _config(**own)
        return
    with pytest.raises(UserError, match=word):
        _config(**own)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"kv_budget_mib": "auto"}, "kv_budget_mib"), ({"engines": ["vllm"]}, "no entry of runs serves hf-batch")],
)
def test_its_run_must_be_one_that_it_can_repeat(settings, word) -> None:
    config = _config()
    config["runs"][1] |= settings
    with pytest.raises(UserError, match=f"benchmarks.b: .*{word}"):
        complete(config)


def test_interval_of_paired_ratios_is_of_pairs(program: Callable[[str], ModuleType]) -> None:
    """Speeds that rise together give a ratio without spread."""
    found = program("common").paired([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], [20.0, 40.0, 60.0, 80.0, 100.0, 120.0])
    assert (found["ratio"], found["ratio_ci95_low"], found["ratio_ci95_high"]) == (0.5, 0.5, 0.5)
    assert (found["ours_output_tokens_per_s"], found["passes"]) == (35.0, 6)


def test_batches_beside_the_hf_peer_stay_whole(program: Callable[[str], ModuleType]) -> None:
    settings = engine_settings("hf-batch", max_length=12, budget_bytes=1000, slot_bytes=10)
    requests = requests_of([(9, 2), (2, 9), (3, 3), (8, 8), (1, 1)])
    batches = [requests[:3], requests[3:]]
    assert [len(plan_batches(settings, batch)) for batch in batches] == [2, 2]
    assert [plan_batches(program("peers").roomy(settings, batches), batch) for batch in batches] == [
        [batch] for batch in batches
    ]

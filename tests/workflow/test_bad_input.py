"""Bad input through real Snakemake: exit code 1, one line that names key or file, nothing written, results intact."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from builders.tiny_overlay import tiny_overlay
from builders.trace_files import mooncake
from builders.tree import contents, copy_project, snakemake

# What Snakemake prints before it reads our files.
PREAMBLE = re.compile(r"Using workflow specific profile .*")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = copy_project(tmp_path_factory.mktemp("bad") / "tree")
    (tree / "results/tables").mkdir(parents=True)
    (tree / "results/tables/throughput.csv").write_text("earlier\n")
    return tree


def check_refused(tree: Path, line: str, *arguments: str) -> None:
    before = contents(tree)
    done = snakemake(tree, *arguments)
    assert done.returncode == 1
    said = [text for text in (done.stdout + done.stderr).splitlines() if text and not PREAMBLE.fullmatch(text)]
    assert len(said) == 1, said
    assert re.fullmatch(line, said[0])
    assert contents(tree) == before


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("repeats=abc", r'--config: repeats: "abc" is not allowed; write a whole number .*'),
        ("repeet=3", r"--config: repeet: unknown key; did you mean repeats\? .*"),
        (
            "runs=[{models: [smollm2-135m], workloads: [guide], engines: [vlm]}]",
            r"--config: runs\[0\].eng.*vlm.*",
        ),
        ("replays={x: null}", r"--config: replays\.x: there is no entry of this name to remove; known: opt-13b-.*"),
        ("parity={engines: [hf-batch, vlm]}", r'--config: parity\.engines: unknown engine "vlm"; did you .* vllm\? .*'),
        (
            "engines={vllm: {trust_remote_code: true}}",
            r"--config: engines\.vllm\.trust_remote_code: this option can make the library load code .*; remove it",
        ),
        ('models={"x\\n": {source: path, path: .}}', r'--config: models\."x\\n": not a valid name; .*'),
        (
            "runs=[{models: [smollm2-135m], workloads: [mixed], engines: [vllm], sweep: {kv_budget_mib: [1e16]}}]",
            r"--config: runs\[0\]\.sweep\.kv_budget_mib\[0\]: 1e\+16 is not allowed; write a number above 0 .*",
        ),
        (
            "capacity={x: {model: llama-2, card: {name: a, memory_gib: 80}, workload: mixed}}",
            r'--config: capacity\.x\.model: unknown model "llama-2"; did you mean llama-2-7b\? .*',
        ),
        (
            "replays={x: {workload: mixed, requests: 9, pool_slots: 10}}",
            r"--config: replays\.x\.pool_slots: under reserve-max one request can get at most 8 of the 10 slots, .*",
        ),
    ],
)
def test_bad_settings_on_the_command_line(tree: Path, setting: str, line: str) -> None:
    check_refused(tree, line, "--config", setting)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("runs: [", r"config.yaml: line \d+: not valid YAML .*"),
        ("seed: 1\n", r"config.yaml: line \d+: key seed is written twice; keep one"),
        ("speed: 1\n", r"config.yaml: speed: unknown key; did you mean seed\? .*"),
        (b"# caf\xe9\n", r"config.yaml: line \d+: not UTF-8 text; save it as UTF-8"),
        ("speed: &x [*x]\n", r"config.yaml: line \d+: a value contains itself; .*"),
        pytest.param("speed: " + "[" * 2000 + "]" * 2000, r"config.yaml: line \d+: .*", id="deep"),
        ("speed: 2026-13-01\n", r"config.yaml: line \d+: 2026-13-01 cannot be read .*; write it in quotes"),
    ],
)
def test_a_bad_config_file(tree: Path, text: str | bytes, line: str) -> None:
    path = tree / "config.yaml"
    good = path.read_bytes()
    path.write_bytes(good + (text if isinstance(text, bytes) else text.encode()))
    try:
        check_refused(tree, line)
    finally:
        path.write_bytes(good)


def test_a_config_file_of_another_encoding(tree: Path) -> None:
    path = tree / "config.yaml"
    good = path.read_bytes()
    path.write_bytes(good.decode().encode("utf-16"))
    try:
        check_refused(tree, "config.yaml: line 1: UTF-16 or UTF-32 text; save it as UTF-8")
    finally:
        path.write_bytes(good)


GOOD = '{"prompt_token_ids": [5, 6], "output_tokens": 3}\n'


@pytest.fixture(scope="module")
def with_model(tree: Path) -> Path:
    """The tree with environment.json and the model made, as after the first call."""
    (tree / "own.jsonl").write_text(GOOD)
    use(tree, "own.jsonl")
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", "results/workloads/tiny/mine.parquet")
    assert done.returncode == 0, done.stdout + done.stderr
    (tree / "results/workloads/tiny/mine.parquet").unlink()
    return tree


def use(tree: Path, file: str, max_length: int = 128, **options: str) -> None:
    (tree / "own.yaml").write_text(tiny_overlay(file, max_length, **options))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", GOOD + '{"prompt": "", "output_tokens": 3}\n', "line 2: empty prompt; .*"),
        ("a.csv", "10,5\n10,-5\n", "line 2: output_tokens is -5; .*"),
        ("a.csv", "10,5\n0,5\n", "line 2: prompt_tokens is 0; .*"),
        ("a.csv", "10,5\n100,50\n", "line 2: 100 prompt \\+ 50 output tokens are more than max_length 128; .*"),
        ("a.jsonl", GOOD + '{"prompt": "x",\n', "line 2: broken JSON .*"),
        ("a.jsonl", GOOD.encode() + b"\xe9\n", "line 2: not UTF-8 .*"),
        ("a.csv", "10,5\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (
            "a.jsonl",
            GOOD.replace("{", '{"request_id": "a", ') * 2,
            "line 2: duplicate id 'a', first used on line 1; .*",
        ),
        ("a.csv", "10,5\n10,5,1.5\n", "line 2: arrives at 1.5 s, but engines get all requests at 0 s; .*"),
        ("a.jsonl", '{"prompt_token_ids": [512], "output_tokens": 3}\n', "line 1: token id 512 is outside .* 512"),
        ("a.json", '[\n {"conversations": [{"value": "x"}, {"value": ""}]}]', "line 2, entry 1: empty reply; .*"),
        ("a.csv", "prompt_tokens,output_tokens,colour\n1,2,3\n", "line 1: header .*: unknown column 'colour'; use .*"),
        ("a.csv", "", "the file contains no request; .*"),
        ("a.csv.gz", gzip.compress(b"10,5\n" * 9)[:-9], "line 10: the gzip data is cut off or corrupt .*; fetch or .*"),
        ("a.jsonl", mooncake((0, 600, 3, [1, 2, 3])), "line 1: 3 hash_ids for input_length 600, which is 2 blocks .*"),
    ],
)
def test_a_users_file_is_refused_before_an_engine_starts(
    with_model: Path, name: str, content: str | bytes, reason: str
) -> None:
    """The target is a run, so an engine would start; its log would show that."""
    (with_model / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    use(with_model, name)
    refuse_job(with_model, f"make_workload tiny mine: {name}: {reason}")


def test_what_is_left_out_of_a_users_file_is_told(with_model: Path) -> None:
    (with_model / "a.csv").write_text("\n,prompt_tokens,output_tokens\n0,10.0,5\n1,100,50\n2,,5\n")
    use(with_model, "a.csv", too_long="skip", bad_turns="skip")
    made = "results/workloads/tiny/mine.parquet"
    done = snakemake(with_model, "--configfile", "config.yaml", "own.yaml", "--", made)
    (with_model / made).unlink()
    line = "make_workload tiny mine: 1 of 3 requests of the file (left out: 1 too long, 1 with bad turns)"
    assert line in (done.stdout + done.stderr).splitlines()


def test_a_length_beyond_the_models_is_refused_before_an_engine_starts(with_model: Path) -> None:
    use(with_model, "own.jsonl", 129)
    check_refused(with_model, r"own.yaml: runs\[0\].max_length: 129 is more than tiny's .*", "--configfile", "own.yaml")


def refuse_job(tree: Path, line: str) -> None:
    """A job of the call fails with this line and no traceback; only logs are written, and no engine starts."""
    before = {path for path in contents(tree) if not path.startswith("logs/")}
    run = "results/runs/tiny/vllm/mine/base/run.json"
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml", "--", run)
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1
    assert [text for text in said if re.fullmatch(line, text)], said
    assert "Traceback" not in done.stdout + done.stderr
    found = contents(tree)
    assert {path for path in found if not path.startswith("logs/")} == before
    assert not [path for path in found if path.startswith(("logs/run_", "results/runs/", "results/workloads/"))]


def test_a_key_written_twice_in_an_overlay_is_named(tree: Path) -> None:
    (tree / "own.yaml").write_text("seed: 1\nrepeats: 2\nseed: 3\n")
    check_refused(tree, "own.yaml: line 3: key seed is written twice; keep one", "--configfile", "own.yaml")


def test_a_bad_overlay_is_named(tree: Path) -> None:
    (tree / "own.yaml").write_text("workloads: {mixed: {kind: user, file: nowhere.jsonl}}\n")
    check_refused(tree, "own.yaml: workloads.mixed.file: no file .*", "--configfile", "own.yaml")


def test_the_file_that_a_key_comes_from_is_named(tree: Path) -> None:
    """The overlay has a key of the same section, and the command line is right."""
    (tree / "own.yaml").write_text(
        "replays: {opt-13b-alpaca: {pool_slots: 9}}\nworkloads: {guide: {output_tokens: 9}}\n"
    )
    line = r"own.yaml: replays.opt-13b-alpaca.pool_slots: under .*"
    check_refused(tree, line, "--configfile", "own.yaml", "--config", "replays={opt-13b-sharegpt: {requests: 9}}")
    (tree / "own.yaml").write_text("workloads: {guide: {output_tokens: 9}}\n")
    line = r"--config: workloads.mixed.requests: 0 is not allowed; .*"
    check_refused(tree, line, "--configfile", "own.yaml", "--config", "workloads={mixed: {requests: 0}}")

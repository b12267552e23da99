"""Replays of public traces: their arrivals, and the prefixes that Mooncake's hashes show to be common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.refusals import refused
from builders.replay_reference import reference
from builders.scenarios import STEP, replayed, scenario
from builders.trace_files import AZURE, BURST, MOONCAKE, mooncake

from kvbench.replay import COLUMNS, Trace, replay
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import notes, outcomes, settings_of


def of_file(folder: Path, name: str, content: str, **given: Any) -> dict[str, Any]:
    """Write a file and return a scenario that replays it under paged with steps that take time."""
    (folder / name).write_text(content)
    sizes = {"max_length": 8192, "pool_slots": 16384, "block_size": 16, "policies": ["paged"], "step_time": STEP}
    return scenario(**{"workload": None, "requests": None, "file": str(folder / name), **sizes, **given})


def test_times_of_day_become_arrivals_and_speed_divides_them(tmp_path: Path) -> None:
    trace = trace_of(of_file(tmp_path, "a.csv", AZURE), 0, "replays.x")
    assert trace.arrival_ns.tolist() == [0, 4_314_579_000, 60_000_000_100]
    assert trace.prompt_tokens.tolist() == [374, 396, 20]
    fast = trace_of(of_file(tmp_path, "a.csv", AZURE, speed=4), 0, "replays.x")
    assert fast.arrival_ns.tolist() == [0, 1_078_644_750, 15_000_000_025]
    slow = trace_of(
        of_file(tmp_path, "r.jsonl", '{"prompt_token_ids": [1], "output_tokens": 1, "arrival_s": 3}\n', speed=0.5),
        0,
        "x",
    )
    assert slow.arrival_ns.tolist() == [6_000_000_000]


def test_the_trace_of_columns_is_the_one_of_lists(tmp_path: Path) -> None:
    """Whatever `Trace.of` makes of lengths, arrivals and a shared prefix, `trace_of` makes too."""
    rng = np.random.default_rng(0)
    lengths, times = rng.integers(1, 500, (200, 2)), np.sort(rng.integers(0, 90_000, 200)) / 1000
    rows = "".join(f"{p},{o},{t:.3f}\n" for (p, o), t in zip(lengths, times, strict=True))
    for prefix in (0, 40):
        found = trace_of(of_file(tmp_path, "r.csv", rows, shared_prefix_tokens=prefix), 0, "replays.x")
        group = np.full(200, 0 if prefix else -1)
        wanted = Trace.of(lengths[:, 0] + prefix, lengths[:, 1], times, group, np.full(200, prefix))
        for name in ("prompt_tokens", "output_tokens", "arrival_ns", "text_order", "common_tokens"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
            assert getattr(found, name).dtype == np.int64


def test_failed_requests_of_burstgpt_are_counted(tmp_path: Path) -> None:
    own = of_file(tmp_path, "b.csv", BURST, bad_turns="skip")
    trace = trace_of(own, 0, "replays.x")
    assert trace.arrival_ns.tolist() == [0, 113_000_000_000]
    assert list(notes(own, trace)) == ["2 of 3 requests of the file (left out: 1 with bad turns)"]
    assert replayed(own)["requests"]["file"]["skipped_bad_turns"] == 1


def token_ids(hashes: list[int], prompt_tokens: int, request: int) -> list[int]:
    """Return a prompt whose full blocks of 512 tokens are known by their hashes and whose rest is its own."""
    ids = [1 + 513 * one + at for one in hashes[: prompt_tokens // 512] for at in range(512)]
    return ids + [1_000_000 + 600 * request + at for at in range(prompt_tokens - len(ids))]


REQUESTS = [
    (0, 1100, 5, [7, 8, 9]), (100, 1024, 4, [7, 8]), (2000, 600, 3, [7, 11]), (3000, 1536, 4, [7, 8, 10]),
    (3000, 1536, 2, [7, 8, 10]), (3500, 400, 2, [12]), (3600, 1700, 2, [8, 7, 10, 13]),
]  # fmt: skip


@pytest.mark.parametrize("block_size", [16, 128, 512])
@pytest.mark.parametrize("prefix", [0, 16])
def test_hashes_share_what_token_ids_would(tmp_path: Path, block_size: int, prefix: int) -> None:
    """Step by step against the reference, which compares the ids of prompts made to have these hashes."""
    given = {"prefix_sharing": True, "block_size": block_size, "shared_prefix_tokens": prefix, "max_step_tokens": 900}
    own = of_file(tmp_path, "m.jsonl", mooncake(*REQUESTS), pool_slots=8192, **given)
    trace, settings = trace_of(own, 0, "replays.x"), settings_of(own, "paged")
    prompts = [[*range(5_000_000, 5_000_000 + prefix), *token_ids(h, p, n)] for n, (_, p, _, h) in enumerate(REQUESTS)]
    output, arrivals = [one[2] for one in REQUESTS], [one[0] * 1_000_000 for one in REQUESTS]
    rows, times = reference(prompts, output, arrivals, settings)
    found = replay(trace, settings, keep_steps=True)
    for number, name in enumerate(COLUMNS):
        np.testing.assert_array_equal(found.steps[name], [row[number] for row in rows], err_msg=name)
    np.testing.assert_array_equal(found.requests.finish_ns, times["finish_ns"])
    assert found.totals.prefix_hit_tokens > 0


def test_a_hash_is_shared_only_behind_the_same_hashes(tmp_path: Path) -> None:
    own = of_file(tmp_path, "m.jsonl", mooncake((0, 1025, 1, [1, 2, 3]), (0, 1025, 1, [4, 2, 3])), prefix_sharing=True)
    trace = trace_of(own, 0, "replays.x")
    assert trace.common_tokens.tolist() == [0, 0]
    assert next(outcomes(own, trace)).found.totals.prefix_hit_tokens == 0


def test_without_sharing_hashes_change_nothing(tmp_path: Path) -> None:
    trace = trace_of(of_file(tmp_path, "m.jsonl", MOONCAKE, block_size=100), 0, "replays.x")
    assert trace.common_tokens.tolist() == [0] * 4
    assert trace.text_order.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("content", "given", "line"),
    [
        (
            MOONCAKE,
            {"prefix_sharing": True, "block_size": 24},
            r"config\.yaml: replays\.x\.block_size: .*t\.jsonl knows common prefixes by blocks of 512 tokens, which 24 "
            "does not divide; use a divisor, or set prefix_sharing to false",
        ),
        (MOONCAKE, {"prefix_sharing": True, "block_size": 1024}, r"blocks of 512 tokens, which 1024 does not divide"),
        (AZURE, {"prefix_sharing": True}, r"replays\.x\.prefix_sharing: .*t\.csv has only lengths, which do not show"),
        (AZURE, {"requests_per_s": 2}, r"replays\.x\.requests_per_s: .*line 4 arrives at 60\.0000001 s; remove the"),
        (AZURE, {"step_time": None}, r"replays\.x\.step_time: .*line 4 arrives at .*, and arrivals need a step time"),
        (AZURE, {"format": "burstgpt"}, r"t\.csv: line 1: the file is azure, not burstgpt; correct the key format"),
        (
            AZURE.replace("2023-11-16 18:16", "2150-01-01 18:16"),
            {"speed": 0.5},
            r"line 4: arrival_s is 7\.\S+ at speed 0\.5",
        ),
        ("5,6\n7,8\n", {"speed": 2}, r"t\.csv: no request arrives later than another, so speed changes nothing"),
        ('{"conversation": []}\n', {}, r"t\.jsonl: line 1: fewer than two turns"),
    ],
)
def test_what_does_not_fit_a_replay_is_named(tmp_path: Path, content: str, given: dict, line: str) -> None:
    own = of_file(tmp_path, "t.jsonl" if content.startswith("{") else "t.csv", content, **given)
    with refused(line):
        trace_of(own, 0, "replays.x")

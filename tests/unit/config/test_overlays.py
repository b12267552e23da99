"""Overlays: omitted keys stay, an entry of another kind replaces the old one, null removes, and origins are tracked."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from kvbench.config.overlays import NAMED, Layers, read_layers
from kvbench.config.settings import validate
from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "schemas/config.schema.yaml"
SHAPE = {"layers": 2, "kv_heads": 4, "head_dim": 8, "parameters": 1000}
TIMES = {"constant_s": 0.02, "per_token_s": 2e-5, "source": "one"}

# For each section of named entries: an entry, an overlay that keeps its kind, and one that changes its kind.
ENTRIES = {
    "models": (
        {"source": "path", "path": ".", "dtype": "float16"},
        {"dtype": "float32"},
        {"source": "shape", "shape": {"model_type": "llama"}},
    ),
    "workloads": (
        {"kind": "mixed", "requests": 13},
        {"kind": "mixed", "requests": 5},
        {"kind": "user", "file": "own.jsonl"},
    ),
    "benchmarks": (
        {"kind": "peer-hf", "model": "m", "workload": "w", "batch": 5},
        {"passes": 6},
        {"kind": "recording", "model": "m", "workload": "w"},
    ),
    "capacity": (
        {"model": "llama-2-7b", "card": {"name": "a", "memory_gib": 80}, "workload": "mixed", "max_length": 9},
        {"model": "llama-2-13b"},
        {"shape": SHAPE, "card": {"name": "a", "memory_gib": 80}, "workload": "mixed"},
    ),
    "replays": (
        {"workload": "sharegpt", "requests": 20, "pool_slots": 4096},
        {"workload": "alpaca"},
        {"file": "own.csv", "pool_slots": 4096},
    ),
}


def laid(*layers: dict) -> dict:
    found = Layers(layers[0], "config.yaml")
    for number, layer in enumerate(layers[1:], 1):
        found.lay(layer, f"{number}.yaml")
    return found.config


def test_every_section_of_names_has_a_case() -> None:
    """Every schema section with user-chosen names is listed in ENTRIES and in kvbench.config.overlays."""
    sections = read_yaml(SCHEMA)["properties"].items()
    assert [name for name, one in sections if "additionalProperties" in one and "propertyNames" in one] == list(NAMED)
    assert set(ENTRIES) == set(NAMED)


@pytest.mark.parametrize("section", NAMED)
def test_an_entry_of_the_same_kind_keeps_what_the_overlay_leaves_out(section: str) -> None:
    below, same, _ = ENTRIES[section]
    before = copy.deepcopy(below)
    assert laid({section: {"x": below, "y": below}}, {section: {"x": same}})[section] == {
        "x": {**below, **same},
        "y": below,
    }
    assert below == before


@pytest.mark.parametrize("section", NAMED)
def test_an_entry_of_another_kind_starts_anew(section: str) -> None:
    below, _, other = ENTRIES[section]
    assert laid({section: {"x": below, "y": below}}, {section: {"x": other}})[section] == {"x": other, "y": below}


@pytest.mark.parametrize("section", NAMED)
def test_null_takes_an_entry_away(section: str) -> None:
    below, _, _ = ENTRIES[section]
    assert laid({section: {"x": below, "y": below}}, {section: {"x": None}})[section] == {"y": below}


@pytest.mark.parametrize("section", NAMED)
def test_an_entry_taken_away_may_come_again(section: str) -> None:
    below, _, other = ENTRIES[section]
    assert laid({section: {"x": below}}, {section: {"x": None}}, {section: {"x": other}})[section] == {"x": other}


@pytest.mark.parametrize("section", NAMED)
def test_what_is_not_there_cannot_be_taken_away(section: str) -> None:
    below, _, _ = ENTRIES[section]
    line = rf"^1.yaml: {section}\.mixd: there is no entry of this name to remove; did you mean mixed\? known: mixed$"
    with pytest.raises(UserError, match=line):
        laid({section: {"mixed": below}}, {section: {"mixd": None}})


@pytest.mark.parametrize("section", NAMED)
def test_null_takes_a_whole_section_away_and_a_later_file_fills_it(section: str) -> None:
    below, _, other = ENTRIES[section]
    assert laid({section: {"x": below}}, {section: None})[section] is None
    assert laid({section: {"x": below}}, {section: None}, {section: {"y": other}})[section] == {"y": other}


@pytest.mark.parametrize(
    ("section", "place", "below", "over"),
    [
        ("models", "shape", {"model_type": "llama", "kv_heads": 8}, {"model_type": "gpt2", "layers": 2}),
        ("capacity", "card", {"name": "a", "memory_gib": 80}, {"name": "b"}),
        ("capacity", "step_time", TIMES, {"constant_s": 0.1, "source": "two"}),
        ("replays", "step_time", TIMES, {"constant_s": 0.1, "source": "two"}),
    ],
)
def test_a_part_of_an_entry_that_becomes_another_starts_anew(section: str, place: str, below: dict, over: dict) -> None:
    entry = ENTRIES[section][0]
    found = laid({section: {"x": {**entry, place: below}}}, {section: {"x": {place: over}}})
    assert found[section]["x"] == {**entry, place: over}


def test_engines_keep_their_options_and_lose_them_by_null() -> None:
    below = {"engines": {"vllm": {"max_num_seqs": 8, "seed": 1}, "hf-batch": {"a": 1}}}
    over = {"engines": {"vllm": {"max_num_seqs": None}, "hf-batch": None}}
    assert laid(below, over)["engines"] == {"vllm": {"max_num_seqs": None, "seed": 1}}


def test_options_of_figures_are_taken_away_one_by_one() -> None:
    below = {"figures": {"dpi": 300, "options": {"memory": {"width_in": 3.5}, "latency": {"width_in": 7}}}}
    over = {"figures": {"dpi": None, "options": {"memory": None, "latency": {"width_in": None}}}}
    assert laid(below, over)["figures"] == {"options": {"latency": {}}}


def test_null_takes_a_key_of_an_entry_away() -> None:
    below = {"replays": {"x": {**ENTRIES["replays"][0], "step_time": TIMES, "requests_per_s": 2}}}
    over = {"replays": {"x": {"step_time": None, "requests_per_s": None}}}
    assert laid(below, over) == {"replays": {"x": ENTRIES["replays"][0]}}


def test_a_key_that_another_kind_takes_away_is_gone() -> None:
    over = {"replays": {"x": {"workload": None, "file": "own.csv", "pool_slots": 9}}}
    assert laid({"replays": {"x": ENTRIES["replays"][0]}}, over)["replays"]["x"] == {"file": "own.csv", "pool_slots": 9}


def test_a_key_without_a_value_is_still_refused() -> None:
    """A bare `repeats:`, or null for a key that no lower layer sets, is more likely a mistake than intended."""
    config = read_yaml(ROOT / "config.yaml")
    for over in ({"repeats": None}, {"workloads": {"new": {"kind": "mixed", "requests": None}}}):
        with pytest.raises(UserError, match=r"(repeats|requests): is empty; write a whole number"):
            validate(laid(config, over), SCHEMA)


def test_lists_are_replaced_whole() -> None:
    assert laid(
        {"runs": [1, 2], "figures": {"formats": ["pdf", "svg"]}}, {"runs": [3], "figures": {"formats": ["png"]}}
    ) == {
        "runs": [3],
        "figures": {"formats": ["png"]},
    }


def test_origin_is_what_set_a_key_last() -> None:
    found = Layers(
        {"seed": 1, "repeats": 2, "workloads": {"mixed": {"kind": "mixed"}, "guide": {"kind": "guide"}}}, "a"
    )
    found.lay({"repeats": 3, "runs": [], "workloads": {"mixed": {"requests": 4}, "new": {"kind": "user"}}}, "b")
    found.lay({"workloads": {"new": {"file": "x"}, "guide": None}}, "c")
    keys = (
        "seed",
        "repeats",
        "runs[0].repeats",
        "workloads.mixed.kind",
        "workloads.mixed.requests",
        "workloads.mixed.x",
    )
    assert [found.origin(key) for key in keys] == ["a", "b", "b", "a", "b", "b"]
    keys = ("workloads.new.kind", "workloads.new.file", "workloads.guide", "sampling.top_p", "")
    assert [found.origin(key) for key in keys] == ["b", "c", "c", "a", "a"]


def test_origin_of_an_entry_that_started_anew_is_its_file() -> None:
    found = Layers({"workloads": {"mixed": {"kind": "mixed", "requests": 13}}}, "a")
    found.lay({"workloads": {"mixed": {"kind": "user"}}}, "b")
    assert {found.origin(f"workloads.mixed.{key}") for key in ("kind", "file", "requests")} == {"b"}


def test_files_and_the_command_line_are_read_in_order(tmp_path: Path) -> None:
    for name, text in {"config": "seed: 1\nreplays: {x: {file: a}}\n", "one": "seed: 2\n", "two": ""}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    found = read_layers(
        tmp_path / "config.yaml", files, ["seed=3", "prefix_sharing=true", "replays={x: null}", "dtype=a: b:"]
    )
    assert found.config == {"seed": 3, "replays": {}, "prefix_sharing": True, "dtype": "a: b:"}
    assert found.origin("seed") == "--config"
    assert found.origin("replays.x").endswith("--config")
    assert read_layers(None, files, []).config == {"seed": 2}


def test_a_file_that_is_a_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("- seed\n")
    with pytest.raises(UserError, match=r"own.yaml: the file is not a mapping; write lines of key: value$"):
        read_layers(None, [tmp_path / "own.yaml"], [])

"""Whatever is changed in good input, it is accepted and makes sense, or is refused in one line, within seconds.

KVBENCH_MUTATIONS sets how many inputs are tried in all, by default so many as take half a minute.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from builders.models import bare_model, byte_model
from builders.mutations import changed_bytes, changed_values, refusal_of
from builders.places import CLAIMS, CONFIG, PUBLISHED, ROOT, SCHEMA, SHAPES, TARGETS
from builders.trace_files import AZURE, AZURE_2024, BURST, BURST_2, MOONCAKE
from builders.user_files import LIMIT, conversation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.analysis.claims import read_claims
from kvbench.analysis.published import read_published
from kvbench.benchmarks.targets import read_targets
from kvbench.capacity.by_context import read_by_context
from kvbench.capacity.contexts import read_conditions
from kvbench.capacity.shapes import read_shapes
from kvbench.config import figure_files, parameters, paths, rates
from kvbench.config import settings as validation
from kvbench.config.overlays import read_layers
from kvbench.config.runs import parity_list, run_list, sharing_runs
from kvbench.config.slo import slo_params
from kvbench.machine.packages import has_engines
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import outcomes, record, series_table, steps_table
from kvbench.workload.request_file import FORMATS, RequestFile
from kvbench.workload.selection import Selection, counts_of
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary, load_vocabulary
from kvbench.yaml_files import read_yaml

MUTATIONS = int(os.environ.get("KVBENCH_MUTATIONS", "400"))
pytestmark = pytest.mark.timeout(900 + MUTATIONS)
OWN = {path.name for path in (CLAIMS, PUBLISHED, SHAPES, TARGETS)}
OVERLAYS = [path for path in sorted((ROOT / "config").glob("*.yaml")) if path.name not in OWN]


def check(strategy: st.SearchStrategy, good: Any, share: float, attempt: Callable[[Any], str]) -> None:
    """Try this share of all inputs: each is accepted or refused, some are refused and the good one is not."""
    outcomes: Counter[bool] = Counter()

    @settings(max_examples=max(10, round(MUTATIONS * share)), suppress_health_check=list(HealthCheck))
    @given(strategy)
    def one(value: Any) -> None:
        outcomes[not attempt(value)] += 1

    assert attempt(good) == ""
    one()
    print(f"accepted {outcomes[True]}, refused {outcomes[False]}")
    assert outcomes[False]


@cache
def parsed(path: Path) -> Any:
    return read_yaml(path)


@st.composite
def yaml_files(draw: st.DrawFn, *sources: Path) -> tuple[Path, bytes]:
    """One of the files and its changed content."""
    path = draw(st.sampled_from(sources))
    if draw(st.booleans()):
        return path, yaml.dump(draw(changed_values(parsed(path))), Dumper=yaml.CSafeDumper, sort_keys=False).encode()
    return path, draw(changed_bytes(path.read_bytes()))


def test_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config.yaml itself, and overlays over it."""
    schema, changed, again = read_yaml(SCHEMA), tmp_path / "changed.yaml", tmp_path / "again.yaml"
    monkeypatch.setattr(validation, "read_yaml", lambda path: schema)

    def attempt(given: tuple[Path, bytes]) -> str:
        changed.write_bytes(given[1])
        own = given[0] == CONFIG

        def accepted() -> None:
            layers = read_layers(changed if own else CONFIG, [] if own else [changed], ["device=cpu"])
            config = validation.validate(layers.config, SCHEMA, layers.origin)
            follow(config)
            again.write_text(yaml.dump(config, Dumper=yaml.CSafeDumper, allow_unicode=True), encoding="utf-8")
            assert read_yaml(again) == config
            validation.validate(read_yaml(again), SCHEMA)

        return refusal_of(accepted)

    check(yaml_files(CONFIG, CONFIG, *OVERLAYS), (CONFIG, CONFIG.read_bytes()), 0.5, attempt)


def follow(config: dict) -> None:
    """What the rules take from a configuration can be had, and no name in it is too long for a file system."""
    measured, formats = run_list(config), config["figures"]["formats"]
    runs = measured + parity_list(config)
    files = [
        *paths.tables(config, runs),
        *paths.paper_files(runs),
        *paths.source_files(runs),
        *paths.record_files(runs),
        *figure_files.run_figures(measured, formats),
        *figure_files.kernel_figures(config, measured, formats),
        *figure_files.capacity_files(config, formats),
        *figure_files.replay_files(config, formats),
        *paths.predicted_files(config),
        *paths.sweep_files(config, runs),
        *paths.benchmark_files(config),
        *paths.maps(config, measured),
    ]
    assert all(len(part.encode()) <= 255 for file in files for part in Path(file).parts)
    sharing_runs(config), slo_params(config), rates.swept_pairs(config), parameters.attention_options(config)
    for run in runs[:20]:
        parameters.run_settings(config, run.model, run.engine, run.workload, run.place)
        parameters.workload_options(config, run.model, run.workload)
    for name in config["benchmarks"]:
        parameters.benchmark_settings(config, name)
    json.dumps(config, allow_nan=False)


def test_claims_targets_and_published_values(tmp_path: Path) -> None:
    def attempt(given: tuple[Path, bytes]) -> str:
        changed = tmp_path / given[0].name
        changed.write_bytes(given[1])
        readers: dict[str, Callable[[], object]] = {
            CLAIMS.name: lambda: read_claims(changed),
            TARGETS.name: lambda: read_targets(changed),
            PUBLISHED.name: lambda: [read_published(changed, name) for name in read_yaml(PUBLISHED)],
            SHAPES.name: lambda: (read_by_context(changed, read_shapes(changed)), read_conditions(changed)),
        }
        return refusal_of(readers[given[0].name])

    check(yaml_files(CLAIMS, TARGETS, PUBLISHED, SHAPES), (CLAIMS, CLAIMS.read_bytes()), 0.1, attempt)


BODY = {"messages": [{"role": "user", "content": [{"type": "text", "text": "b"}]}], "max_tokens": 7}
SAID = [{"role": speaker, "content": text} for speaker, text in (("user", "a"), ("assistant", "b"))]
ENTRIES = [
    [{"prompt": "x", "output_tokens": 1, "request_id": "a"}, {"prompt_token_ids": [1, 2], "output_tokens": 4}],
    [{"prompt_token_ids": [1, 2, 3], "output_tokens": 4, "arrival_s": time} for time in (0, 1.5, 2)],
    [{"custom_id": name, "method": "POST", "url": "/v1", "body": BODY} for name in "xyz"],
    [{"instruction": "Add", "input": "1 2", "output": "three"}, {"instruction": "Go", "output": "No"}],
    [conversation("a", "b", "c", "d", id="q"), conversation("hi", "yes")],
    [{"conversation_id": "c", "conversation": SAID * 2}, {"conversation_id": "d", "conversation": SAID}],
    [json.loads(line) for line in MOONCAKE.splitlines()],
]
LINES = [
    "prompt_tokens,output_tokens,arrival_s,request_id\n10,5,0,a\n20,6,1.5,b\n3,4,2,c\n",
    ",prompt_tokens,output_tokens\n0,10.0,5\n1,100,50\n",
    "10,5\n20,6\n7,7\n",
    *(AZURE, AZURE_2024, BURST, BURST_2),
]
PACKED = {"": lambda content: content, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@st.composite
def request_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The name and the changed content of a file in one of the formats, some of them compressed."""
    if draw(st.booleans()):
        whole = draw(st.sampled_from(LINES)).encode()
        name, content = "r.csv", draw(st.one_of(st.just(whole), changed_bytes(whole)))
    else:
        name = draw(st.sampled_from(["r.json", "r.jsonl"]))
        entries = draw(st.sampled_from(ENTRIES).flatmap(lambda one: st.one_of(st.just(one), changed_values(one))))
        whole = (
            json.dumps(entries, indent=1) if name == "r.json" else "".join(json.dumps(one) + "\n" for one in entries)
        )
        content = draw(st.one_of(st.just(whole.encode()), changed_bytes(whole.encode())))
    suffix = draw(st.sampled_from(["", "", "", *PACKED]))
    content = PACKED[suffix](content)
    if suffix and draw(st.booleans()):
        content = draw(changed_bytes(content))
    return name + suffix, content


LENGTHS = ("r.csv", b"10,5\n20,6\n")
REFUSALS = {"too_long": "refuse", "bad_turns": "refuse"}
REFUSING = {**REFUSALS, "format": None, "speed": None}
# Seldom a format that is not the file's, or a speed, which a file without times has not.
OPTIONS = st.fixed_dictionaries(
    {
        "too_long": st.sampled_from(["refuse", "skip"]),
        "bad_turns": st.sampled_from(["refuse", "skip"]),
        "format": st.sampled_from([*[None] * 60, *FORMATS]),
        "speed": st.sampled_from([*[None] * 12, 2.0, 1e-6, 1e6]),
    }
)


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> list[Vocabulary]:
    """Of a shape, and of a model with a tokenizer where there is a library for it."""
    folder = tmp_path_factory.mktemp("models")
    models = [bare_model(folder / "bare"), *([byte_model(folder / "bytes")] if has_engines() else [])]
    return [load_vocabulary(model) for model in models]


def test_workload_files(tmp_path: Path, vocabularies: list[Vocabulary]) -> None:
    def attempt(drawn: tuple[tuple[str, bytes], dict[str, Any], bool, int, bool]) -> str:
        (name, content), options, every_turn, number, live = drawn
        (tmp_path / name).write_bytes(content)
        given = {"format": options["format"], "speed": options["speed"]}
        source = RequestFile(
            tmp_path / name, turns="all" if every_turn and "conv" in str(content) else "first", **given
        )
        selection = Selection(options["too_long"], options["bad_turns"])

        def accepted() -> None:
            table = read_user_file(source, vocabularies[number % len(vocabularies)], LIMIT, 0, selection, live)
            prompt = [len(ids) for ids in table["prompt_token_ids"].to_pylist()]
            output = table["output_tokens"].to_pylist()
            assert 0 < len(table) == len(set(table["request_id"].to_pylist()))
            assert min(*prompt, *output) > 0
            assert max(map(sum, zip(prompt, output, strict=True))) <= LIMIT.tokens
            assert all(0 <= arrival_s <= 4e9 for arrival_s in table["arrival_s"].to_pylist())
            counts = counts_of(table)
            assert counts.requests_in_file - counts.skipped_too_long - counts.skipped_bad_turns == len(table)

        return refusal_of(accepted)

    choices = (request_files(), OPTIONS, st.booleans(), st.integers(0, 1), st.booleans())
    check(st.tuples(*choices), (LENGTHS, REFUSING, False, 0, False), 0.25, attempt)


SCENARIO = {
    "policies": ["reserve-max", "power-of-two", "oracle", "hf-static", "hf-batch", "paged"],
    "allocator": "buddy",
    "pool_slots": 8192,
    "max_running": 8,
    "max_step_tokens": 256,
    "max_length": 2048,
    "block_size": 16,
    "shared_prefix_tokens": 32,
    "keep_steps": False,
    "series_bins": 100,
}


def replayed(own: dict[str, Any]) -> None:
    trace = trace_of(own, 0, "replays.x")
    assert min(trace.prompt_tokens.min(), trace.output_tokens.min()) > 0
    assert (trace.prompt_tokens + trace.output_tokens).max() <= own["max_length"]
    assert (np.diff(trace.arrival_ns) >= 0).all()
    ran = list(outcomes(own, trace))
    series_table(ran), steps_table(ran)
    json.dumps(record("x", own, 0, trace, ran), allow_nan=False)


def test_traces(tmp_path: Path) -> None:
    def attempt(drawn: tuple[tuple[str, bytes], dict[str, Any], bool, bool]) -> str:
        (name, content), options, sharing, timed = drawn
        (tmp_path / name).write_bytes(content)
        given = {key: value for key, value in options.items() if value is not None}
        own = SCENARIO | given | {"file": str(tmp_path / name), "prefix_sharing": sharing}
        own |= {"step_time": {"constant_s": 0.01, "source": "x"}} if timed else {}

        return refusal_of(lambda: replayed(own))

    (tmp_path / "warm.csv").write_text("10,5\n")
    for sharing in (False, True):  # compiles the kernels, which takes longer than any input may
        replayed(SCENARIO | {"file": str(tmp_path / "warm.csv"), "prefix_sharing": sharing, **REFUSALS})

    choices = (request_files(), OPTIONS, st.booleans(), st.booleans())
    check(st.tuples(*choices), (LENGTHS, REFUSING, True, True), 0.15, attempt)

"""Runs with arrivals in the configuration: their points, their settings, and the rates that a search adds."""

from __future__ import annotations

from typing import Any

import pytest
from builders.overlaid import overlaid
from builders.places import SCHEMA

from kvbench.config.parameters import run_settings
from kvbench.config.rates import (
    further_runs,
    rate_pairs,
    rate_runs,
    swept_engines,
    swept_pairs,
)
from kvbench.config.runs import RunName, run_list
from kvbench.config.settings import validate
from kvbench.config.slo import NAMED, slo_of
from kvbench.errors import UserError

MODEL = "smollm2-135m"


def configured(*entries: dict[str, Any], **changes: Any) -> dict:
    config = overlaid()
    base = {"models": [MODEL], "workloads": ["mixed"], "engines": ["vllm", "hf-batch"]}
    config["runs"] = [{**base, **entry} for entry in entries]
    return validate({**config, **changes}, SCHEMA)


def test_rates_are_points_and_base_stays_what_it_was() -> None:
    config = configured({}, {"requests_per_s": 2.0}, {"sweep": {"requests_per_s": [1, 0.5]}})
    points = [run.point for run in run_list(config) if run.engine == "vllm"]
    assert points == ["base", "requests_per_s-2", "requests_per_s-1", "requests_per_s-0.5"]
    assert rate_pairs(config) == swept_pairs(config) == [(MODEL, "mixed")]
    assert len(rate_runs(config, MODEL, "mixed")) == 6
    assert swept_engines(config, MODEL, "mixed") == ["vllm", "hf-batch"]


def test_a_rate_has_settings_of_its_own() -> None:
    config = configured({}, {"requests_per_s": 2, "burstiness": 0.5}, {"sweep": {"requests_per_s": [4]}})
    names = ("requests_per_s", "burstiness", "read_blocks", "sequential_requests")
    found = {
        point: [run_settings(config, MODEL, "vllm", "mixed", point)[name] for name in names]
        for point in ("base", "requests_per_s-2", "requests_per_s-4")
    }
    assert found == {
        "base": [None, 1.0, True, 2],
        "requests_per_s-2": [2, 0.5, True, 0],
        "requests_per_s-4": [4, 1.0, False, 0],
    }


def test_a_search_may_run_any_rate_of_a_swept_engine() -> None:
    config = configured({"sweep": {"requests_per_s": [1, 2]}, "processes": 2}, {"engines": ["hf-static"]})
    runs = further_runs(config, MODEL, "mixed", {"vllm": 1.5, "hf-batch": 2.0})
    assert [(run.engine, run.place) for run in runs] == [
        ("vllm", "requests_per_s-1.5"),
        ("vllm", "requests_per_s-1.5.process-2"),
    ]
    settings = run_settings(config, MODEL, "vllm", "mixed", runs[1].place)
    assert (settings["requests_per_s"], settings["process"], settings["read_blocks"]) == (1.5, 2, False)
    for engine, point in (("hf-static", "requests_per_s-1.5"), ("vllm", "requests_per_s-x"), ("vllm", "x-1.5")):
        with pytest.raises(UserError, match="no entry produces"):
            run_settings(config, MODEL, engine, "mixed", point)


def test_a_place_names_a_rate_and_a_process() -> None:
    assert RunName.of("m", "vllm", "w", "requests_per_s-1.5.process-2").point == "requests_per_s-1.5"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"requests_per_s": 0}, r"runs\[0\]\.requests_per_s"),
        ({"requests_per_s": -1}, r"runs\[0\]\.requests_per_s"),
        ({"requests_per_s": "fast"}, r"runs\[0\]\.requests_per_s"),
        ({"sweep": {"requests_per_s": [1, 0]}}, r"runs\[0\]\.sweep\.requests_per_s"),
        ({"sweep": {"requests_per_s": []}}, r"runs\[0\]\.sweep\.requests_per_s"),
        ({"requests_per_s": 2, "sweep": {"block_size": [32, 64]}}, r"runs\[0\]\.requests_per_s: this entry sweeps"),
        ({"burstiness": 2}, r"runs\[0\]\.burstiness: is of requests that arrive over time; add requests_per_s"),
        ({"requests_per_s": 2, "burstiness": 0}, r"runs\[0\]\.burstiness"),
        ({"requests_per_s": "file"}, r"runs\[0\]\.requests_per_s: mixed is of kind mixed and has no arrival times"),
    ],
)
def test_bad_arrivals_are_refused_in_one_line(entry: dict, line: str) -> None:
    with pytest.raises(UserError, match=line) as error:
        configured(entry)
    assert "\n" not in str(error.value)


def test_an_engine_that_cannot_serve_arrivals_is_refused() -> None:
    line = r"runs\[0\]\.sweep\.requests_per_s: hf-static-compiled cannot serve arrivals: its batches follow"
    with pytest.raises(UserError, match=line):
        configured({"engines": ["hf-static-compiled"], "sweep": {"requests_per_s": [1]}}, device="cuda")


def test_the_same_rate_twice_is_the_same_run() -> None:
    with pytest.raises(UserError, match="contains the same run"):
        configured({"requests_per_s": 2}, {"sweep": {"requests_per_s": [2.0]}})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (2.0, 0.2, "mlperf-llama2-70b-server")),
        ({"name": "mlperf-llama2-70b-interactive"}, (0.45, 0.04, "mlperf-llama2-70b-interactive")),
        ({"ttft_s": 1, "tpot_s": 0.1}, (1, 0.1, None)),
        ({"tpot_s": 0.1}, (2.0, 0.1, None)),
    ],
)
def test_limits_are_named_or_given(given: dict, expected: tuple) -> None:
    found = slo_of(configured({}, slo=given))
    assert (found.ttft_s, found.tpot_s, found.name) == expected
    assert found.share == 0.9


def test_every_name_has_limits() -> None:
    config = configured({})
    for name in NAMED:
        assert slo_of({**config, "slo": {**config["slo"], "name": name}}).name == name


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"ttft": 2}, r"slo\.ttft: unknown key; did you mean ttft_s"),
        ({"ttft_s": "450 ms"}, r"slo\.ttft_s"),
        ({"tpot_s": 0}, r"slo\.tpot_s"),
        ({"share": 90}, r"slo\.share"),
        ({"name": "mlperf"}, r"slo\.name"),
    ],
)
def test_bad_limits_are_refused_in_one_line(given: dict, line: str) -> None:
    with pytest.raises(UserError, match=line):
        configured({}, slo=given)

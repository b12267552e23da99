"""The time left, from what jobs took in earlier calls; sums by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvbench.preflight.time_left import TimeLeft, in_words

MEASURING = {"run_vllm"}


def left(logs: Path, seconds: dict[str, float | str], cores: int = 2) -> TimeLeft:
    """An estimate from benchmark files under `logs`, by job."""
    for job, took in seconds.items():
        path = logs / f"{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{took}\t0:00:00\n")
    return TimeLeft(logs, lambda: MEASURING, lambda: cores)


def test_measuring_jobs_add_up_and_others_share_the_cores(tmp_path: Path) -> None:
    estimate = left(tmp_path, {"run_vllm/m/a": 300, "run_vllm/m/b": 600, "plot_memory/m/a": 240, "make_report": 120})
    estimate.plan({"run_vllm": 2, "plot_memory": 1, "make_report": 1})
    # 300 + 600 + (240 + 120) / 2
    assert estimate.begin("run_vllm", str(tmp_path / "run_vllm/m/a.tsv")) == "about 18 min left"
    assert estimate.begin("run_vllm", str(tmp_path / "run_vllm/m/b.tsv")) == "about 13 min left"
    assert estimate.begin("plot_memory", str(tmp_path / "plot_memory/m/a.tsv")) == "about 3 min left"
    assert estimate.begin("make_report", str(tmp_path / "make_report.tsv")) == "about 1 min left"


def test_a_job_that_never_ran_counts_as_the_mean_of_its_rule(tmp_path: Path) -> None:
    estimate = left(tmp_path, {"run_vllm/m/a": 300, "run_vllm/m/b": 600})
    estimate.plan({"run_vllm": 3})
    assert estimate.begin("run_vllm", str(tmp_path / "run_vllm/m/new.tsv")) == f"about {450 * 3 // 60} min left"


def test_nothing_is_said_on_a_cluster(tmp_path: Path) -> None:
    estimate = left(tmp_path, {"run_vllm/m/a": 600}, cores=0)
    estimate.plan({"run_vllm": 1})
    assert estimate.begin("run_vllm", str(tmp_path / "run_vllm/m/a.tsv")) == ""


@pytest.mark.parametrize("files", [{}, {"make_report": 100}, {"make_report": 100, "run_vllm/m/a": "NA"}])
def test_nothing_is_said_where_a_measurement_has_no_earlier_run(tmp_path: Path, files: dict) -> None:
    estimate = left(tmp_path, files)
    estimate.plan({"make_report": 1, "run_vllm": 1})
    assert estimate.begin("make_report", str(tmp_path / "make_report.tsv")) == ""


def test_a_short_job_without_an_earlier_run_does_not_matter(tmp_path: Path) -> None:
    estimate = left(tmp_path, {"run_vllm/m/a": 600}, cores=1)
    estimate.plan({"plot_new": 1, "run_vllm": 1})
    assert estimate.begin("plot_new", None) == "about 10 min left"


def test_nothing_is_said_after_other_jobs_came(tmp_path: Path) -> None:
    estimate = left(tmp_path, {"run_vllm/m/a": 600})
    estimate.plan({"run_vllm": 2})
    estimate.forget()
    assert estimate.begin("run_vllm", str(tmp_path / "run_vllm/m/a.tsv")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "about 10 s left"), (31, "about 40 s left"), (59, "about 1 min left")),
        *((200, "about 3 min left"), (9000, "about 2.5 h left")),
    ],
)
def test_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

"""The look at all files that are asked for, at the start of a call."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from builders.manifested import run_job

from kvbench.errors import UserError
from kvbench.provenance import states
from kvbench.provenance.looking import look
from kvbench.provenance.manifest import place, read
from kvbench.provenance.states import State
from kvbench.provenance.wording import Damage

FIGURES = [f"results/figures/m/w/a.{suffix}" for suffix in ("pdf", "png", "svg")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_job("plot_a", "m", "w", made=dict.fromkeys(FIGURES, "picture"))


def later(path: str) -> None:
    os.utime(path, (2e9, 2e9))


def test_nothing_is_said_of_what_is_as_it_was() -> None:
    look(FIGURES)


def test_one_file_is_told_with_its_rule_and_the_mend() -> None:
    Path(FIGURES[2]).write_text("")
    told = f"{FIGURES[2]} is not what plot_a wrote (0 bytes instead of 7); delete it and run the same command again"
    with pytest.raises(UserError) as error:
        look(FIGURES)
    assert str(error.value) == told
    Path(FIGURES[2]).unlink()
    look(FIGURES)


def test_several_files_are_told_in_one_line_that_names_a_few() -> None:
    more = [f"results/tables/{name}.csv" for name in "bcd"]
    run_job("summarise", made=dict.fromkeys(more, "x"))
    for file in (*FIGURES, *more):
        Path(file).write_text("changed")
        later(file)
    with pytest.raises(UserError) as error:
        look([*FIGURES, *more])
    named = ", ".join(f"{file} (its content has changed)" for file in FIGURES)
    assert str(error.value).startswith(f"6 files are not what their rules wrote: {named}")
    assert str(error.value).endswith(" and 3 more, which make verify names; delete them and run the same command again")


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    Path(FIGURES[2]).write_text("")
    look(FIGURES[:2])


def test_what_is_known_besides_is_told_too() -> None:
    Path("weights").write_text("b")
    with pytest.raises(UserError, match="weights is not what prepare_model wrote"):
        look(FIGURES, also=[Damage("weights", "prepare_model", State(1, "", 0))])


def test_new_time_stamps_alone_are_no_change_and_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for file in FIGURES:
        later(file)
    before = read(place("plot_a", ("m", "w")))
    look(FIGURES, dry=True)
    assert read(place("plot_a", ("m", "w"))) == before
    look(FIGURES)
    monkeypatch.setattr(states, "sha256", lambda path: pytest.fail(f"{path} was read again"))
    look(FIGURES)


def test_a_copy_of_all_results_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree("results", "copy/results", copy_function=shutil.copy)
    monkeypatch.chdir("copy")
    look(FIGURES)


def test_results_that_cannot_be_written_are_looked_at_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError

    later(FIGURES[0])
    monkeypatch.setattr("kvbench.provenance.manifest.write_text", refuse)
    look(FIGURES)

"""Fixtures of the fault tests, and the table of docs/reliability.md that they write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders.faulty import Call, prepared, run_file, tokens

ROWS = pytest.StashKey[list[tuple[str, ...]]]()
BEGIN, END = "<!-- written by `make faults` -->\n", "<!-- end -->"
HEAD = ("fault", "what is told", "what is left")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-table", type=Path, help="write the table of faults into this page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table of a run in which every fault was survived; some of the tests renew only their own rows."""
    page = session.config.getoption("--faults-table", default=None)
    if page and exitstatus == pytest.ExitCode.OK:
        before, _, rest = page.read_text().partition(BEGIN)
        old, _, after = rest.partition(END)
        rows = {line.split(" | ")[0]: line for line in old.splitlines()[3:] if line}
        rows |= {f"| {row[0]}": f"| {' | '.join(row)} |" for row in session.config.stash[ROWS]}
        head = [f"| {' | '.join(HEAD)} |", "| --- | --- | --- |"]
        page.write_text(before + BEGIN + "\n" + "\n".join([*head, *rows.values()]) + "\n\n" + END + after)


@pytest.fixture
def outcome(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Record a row of the table: fault, line told, what is left. Numbers of processes and names of files vary."""

    def record(fault: str, told: str, left: str = "nothing") -> None:
        told = re.sub(r"pid \d+", "pid …", told)
        request.config.stash[ROWS].append((fault, f"`{told}`" if told else "", left))

    return record


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which only the runs are still to do."""
    return prepared(tmp_path_factory.mktemp("faults") / "tree")


@pytest.fixture
def call(tree: Path) -> Iterator[Callable[..., Call]]:
    """Starts calls for one run each; what they leave is ended after the test."""
    calls: list[Call] = []

    def start(engine: str, *arguments: str, folder: Path = tree, **given: Any) -> Call:
        calls.append(Call(folder, engine, *arguments, **given))
        return calls[-1]

    yield start
    for one in calls:
        one.close()


@pytest.fixture(scope="session")
def undisturbed(tree: Path) -> Callable[[Call], list[list[int]]]:
    """The tokens of the run that a call is for, in a call to which nothing happens."""

    @cache
    def of(engine: str, point: str) -> list[list[int]]:
        one = Call(tree, engine, point=point)
        try:
            assert one.end() == 0, "\n".join(one.screen())
            return tokens(tree, engine, point)
        finally:
            one.close()

    return lambda one: of(one.engine, one.point)


@pytest.fixture
def goes_on(call: Callable[..., Call], undisturbed: Callable[[Call], list[list[int]]]) -> Callable[..., None]:
    """Checks that the same command goes on after a call to which something has happened, and leaves nothing."""

    def check(one: Call, **given: Any) -> None:
        assert not (one.tree / run_file(one.engine, point=one.point)).exists()
        after = call(one.engine, folder=one.tree, point=one.point, resumes=one, prefix=one.prefix, **given)
        assert after.end() == 0, "\n".join(after.screen())
        assert after.left() == []
        assert tokens(one.tree, one.engine, one.point) == undisturbed(one)

    return check

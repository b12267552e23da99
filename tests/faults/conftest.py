"""Fixtures of the fault tests, and the table of docs/reliability.md that they write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.faulty import Call, prepared

ROWS = pytest.StashKey[list[tuple[str, ...]]]()
BEGIN, END = "<!-- written by `make faults` -->\n", "<!-- end -->"
HEAD = ("fault", "what is told", "what is left")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-table", type=Path, help="write the table of faults into this page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table of a run in which every fault was survived."""
    page = session.config.getoption("--faults-table", default=None)
    if page and exitstatus == pytest.ExitCode.OK:
        rows = [HEAD, ("---",) * len(HEAD), *session.config.stash[ROWS]]
        table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        text = page.read_text()
        page.write_text(text.partition(BEGIN)[0] + BEGIN + "\n" + table + "\n" + END + text.partition(END)[2])


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

    def start(engine: str, *arguments: str, **environment: str) -> Call:
        calls.append(Call(tree, engine, *arguments, **environment))
        return calls[-1]

    yield start
    for one in calls:
        one.close()

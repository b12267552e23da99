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

    def start(engine: str, *arguments: str, **environment: str) -> Call:
        calls.append(Call(tree, engine, *arguments, **environment))
        return calls[-1]

    yield start
    for one in calls:
        one.close()

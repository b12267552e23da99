"""What is done before the jobs of a call."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kvbench.errors import UserError
from kvbench.preflight.beginning import after_plan, before_jobs, flattened


def plugin(*, touch: bool = False, dry: bool = False) -> SimpleNamespace:
    return SimpleNamespace(common_settings=SimpleNamespace(touch_exec=touch, dryrun_exec=dry))


@pytest.fixture
def workflow() -> SimpleNamespace:
    """Its `execute` returns what is to be forced at that time."""
    found = SimpleNamespace(dag_settings=SimpleNamespace(forcerun=frozenset({"a"})), dag=SimpleNamespace(jobs=["job"]))
    found.execute = lambda executor, number: (number, sorted(found.dag_settings.forcerun))
    return found


@pytest.mark.parametrize("dry", [False, True])
def test_files_are_made_again_as_with_forcerun(workflow: SimpleNamespace, dry: bool) -> None:
    seen = []
    before_jobs(workflow, lambda given: seen.append(given) or ["model.json"])
    assert workflow.execute(plugin(dry=dry), 3) == (3, ["a", "model.json"])
    assert seen == [dry]


def test_touch_is_not_looked_at(workflow: SimpleNamespace) -> None:
    before_jobs(workflow, lambda dry: pytest.fail("looked"))
    assert workflow.execute(plugin(touch=True), 3) == (3, ["a"])


def test_a_user_error_ends_the_call(workflow: SimpleNamespace) -> None:
    def refuse(dry: bool) -> list[str]:
        raise UserError("x.svg is not what it was")

    before_jobs(workflow, refuse)
    with pytest.raises(SystemExit, match=r"^x\.svg is not what it was$"):
        workflow.execute(plugin(), 3)


def test_a_plan_is_written_after_the_call(workflow: SimpleNamespace) -> None:
    seen = []
    after_plan(workflow, seen.extend)
    assert workflow.execute(plugin(), 3) == (3, ["a"])
    assert seen == ["job"]


def test_lists_of_files_are_flattened() -> None:
    assert list(flattened(["a", ["b", ("c", [])], ()])) == ["a", "b", "c"]

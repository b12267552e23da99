"""What is done before the jobs of a call, also where there is nothing to do, and before the plan of a dry run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kvbench.errors import UserError


def before_jobs(workflow: Any, look: Callable[[bool], Iterable[str]]) -> None:
    """Call `look` before a call of Snakemake runs its jobs or, with True, shows them in a dry run.

    The files that it returns are made again, as with `--forcerun`. A UserError ends the call in its line. `--touch`,
    `--unlock`, `--summary` and others run no job, and nothing is looked at. Snakemake's own `onstart` is not called
    where nothing is to be done.
    """
    execute = workflow.execute

    def checked(executor_plugin: Any, *arguments: Any, **named: Any) -> Any:
        kind = executor_plugin.common_settings
        if not kind.touch_exec:
            try:
                again = look(kind.dryrun_exec)
            except UserError as error:
                sys.exit(str(error))
            workflow.dag_settings.forcerun = {*workflow.dag_settings.forcerun, *again}
        return execute(executor_plugin, *arguments, **named)

    workflow.execute = checked


def after_plan(workflow: Any, write: Callable[[Iterable[Any]], None]) -> None:
    """Call `write` with the jobs of a dry run's plan, those included that are not to be run."""
    execute = workflow.execute

    def planned(*arguments: Any, **named: Any) -> Any:
        done = execute(*arguments, **named)
        write(workflow.dag.jobs)
        return done

    workflow.execute = planned


def flattened(files: Iterable[Any]) -> Iterator[str]:
    """The files in lists and tuples of files."""
    for one in files:
        if isinstance(one, list | tuple):
            yield from flattened(one)
        else:
            yield one

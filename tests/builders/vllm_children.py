"""Runs programs that serve with vLLM, which loads once in a process, in forks of a server that has imported it.

Importing vLLM takes longer than serving a tiny model.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

# One thread that sleeps while waiting: spinning threads are slow when other processes run.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
IMPORTED = ["kvbench.engines.vllm.runner", "vllm.entrypoints.llm", "vllm.v1.engine.llm_engine"]


def run_program(program: str, *arguments: str, log: Path, timeout_s: float = 300, **environment: str) -> None:
    """Run a Python file as a program of its own, with its output in `log`.

    CalledProcessError with the end of the log if it fails, also where it does not end in time.
    """
    context = multiprocessing.get_context("forkserver")
    _start_server(context)
    command = [program, *arguments]
    child = context.Process(target=_run, args=(command, environment, str(log)))
    child.start()
    child.join(timeout_s)
    if child.is_alive():
        child.kill()
        child.join()
    if child.exitcode:
        error = subprocess.CalledProcessError(child.exitcode, command)
        error.add_note(log.read_text()[-2000:])
        raise error


def _start_server(context: multiprocessing.context.ForkServerContext) -> None:
    """Its environment is that of its first start."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        context.set_forkserver_preload(IMPORTED)
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(command: list[str], environment: dict[str, str], log: str) -> None:
    os.environ.update(environment)
    with open(log, "wb") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")

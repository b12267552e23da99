"""A call of Snakemake to which something happens, and what it leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from builders.tiny_overlay import tiny_overlay
from builders.tree import copy_project, snakemake

PATIENCE_S = 500  # on a machine that others use too; no test needs a tenth of it on one that is idle
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--configfile", "own.yaml")
REQUEST = '{"prompt_token_ids": [5, 6, 7, 8], "output_tokens": 60}\n'
WORKLOAD = "results/workloads/tiny/mine.parquet"


def run_file(engine: str, name: str = "run.json") -> str:
    """A file of the run of an engine on the tiny model."""
    return f"results/runs/tiny/{engine}/mine/base/{name}"


def prepared(tree: Path) -> Path:
    """A copy of the project in which only the runs are still to do."""
    copy_project(tree)
    (tree / "my.jsonl").write_text(REQUEST * 160)
    (tree / "own.yaml").write_text(tiny_overlay("my.jsonl"))
    done = snakemake(tree, "--configfile", "own.yaml", "--", WORKLOAD)
    assert done.returncode == 0, done.stderr
    return tree


class Call:
    """`snakemake` in `tree` for one run, in a process group and with a temporary folder of its own."""

    def __init__(self, tree: Path, engine: str, *arguments: str, **environment: str) -> None:
        self.tree, self.rule = tree, "run_vllm" if engine.startswith("vllm") else "run_traditional"
        self.log = tree / f"logs/{self.rule}/tiny/{engine}/mine/base.log"
        self.log.unlink(missing_ok=True)
        self.temporary = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))  # a short path, for vLLM's sockets
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `close`)
        self.seen: dict[int, psutil.Process] = {}
        self.process = subprocess.Popen(
            [*SNAKEMAKE, *arguments, "--forcerun", self.rule, "--", run_file(engine)],
            cwd=tree,
            env={
                **os.environ,
                "TMPDIR": str(self.temporary),
                "TORCHINDUCTOR_CACHE_DIR": str(tree / "cache"),
                **environment,
            },
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def family(self) -> list[psutil.Process]:
        """Snakemake's descendants that live; all that were ever seen are remembered."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {one.pid: one for one in found}
        return found

    def named(self, name: str) -> list[psutil.Process]:
        """Those with `name` in their command lines, parents first."""
        return [one for one in self.family() if name in " ".join(_arguments(one))]

    def job(self) -> list[psutil.Process]:
        """The job's warden and the job itself, once there are both."""
        return self._wait(lambda: self._job() if len(self._job()) == 2 else None, "the job")

    def _job(self) -> list[psutil.Process]:
        found = self.named(f".{self.rule}.py")
        return [one for one in found if "python" in Path(_arguments(one)[0]).name][:2]

    def until(self, text: str) -> Call:
        """Wait until the job's log has a text. All that lives at this moment must have ended with the call."""
        self.family()
        self._wait(lambda: self.log.exists() and text in self.log.read_text(errors="replace"), text)
        return self

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert self.process.poll() is None, f"the call ended before {what}:\n{self.screen()}"
            assert time.monotonic() < end, f"{what} did not come:\n{self.screen()}"
            time.sleep(0.02)
        return found

    def group(self, number: int) -> None:
        """Signal the call as a terminal does."""
        self.family()
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """The exit code of Snakemake, once it and all that it started have ended."""
        code = self.process.wait(PATIENCE_S)
        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=60)
        assert not alive, alive
        return code

    def screen(self) -> list[str]:
        """The lines on the terminal."""
        self.output.seek(0)
        return self.output.read().splitlines()

    def said(self, pattern: str) -> str:
        """The line that matches a pattern from its beginning."""
        lines = [line for line in self.screen() if re.match(pattern, line)]
        assert len(lines) == 1, "\n".join(self.screen())
        return lines[0]

    def left(self) -> list[str]:
        """What is left under the temporary folder but for the locks, and of copies of scripts."""
        scripts = self.tree / ".snakemake/scripts"
        found = [path.name for path in self.temporary.iterdir() if path.name != f"kvbench-{os.getuid()}"]
        return found + ([path.name for path in scripts.iterdir()] if scripts.exists() else [])

    def unlock(self) -> None:
        """`make unlock`."""
        subprocess.run([*SNAKEMAKE, "--unlock"], cwd=self.tree, check=True, capture_output=True, timeout=PATIENCE_S)

    def close(self) -> None:
        """End what a failed test has left."""
        for one in self.seen.values():
            if one.is_running():
                one.send_signal(signal.SIGCONT)
                one.kill()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.tree / ".snakemake/locks", ignore_errors=True)
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.output.close()


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]

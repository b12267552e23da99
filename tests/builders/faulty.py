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
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from builders.tiny_overlay import tiny_overlay
from builders.tree import copy_project, snakemake
from kvbench.files import read_parquet

PATIENCE_S = 500  # on a machine that others use too; no test needs a tenth of it on one that is idle
ENDS_S = 200  # for processes that have to end with the call
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--configfile", "own.yaml")
REQUEST = '{"prompt_token_ids": [5, 6, 7, 8], "output_tokens": 60}\n'
WORKLOAD = "results/workloads/tiny/mine.parquet"
RATE = 40
OVER_TIME = f"requests_per_s-{RATE}"  # the point of runs whose requests arrive over time
MARK = "FAULTS_CALL"  # in the environment of all processes of a call


def run_file(engine: str, name: str = "run.json", point: str = "base") -> str:
    """A file of the run of an engine on the tiny model."""
    return f"results/runs/tiny/{engine}/mine/{point}/{name}"


def tokens(tree: Path, engine: str, point: str = "base") -> list[list[int]]:
    """The tokens of a finished run, by repeat and request."""
    return read_parquet(tree / run_file(engine, "requests.parquet", point)).column("output_token_ids").to_pylist()


def prepared(tree: Path) -> Path:
    """A copy of the project in which only the runs are still to do."""
    copy_project(tree)
    (tree / "my.jsonl").write_text(REQUEST * 160)
    overlay = yaml.safe_load(tiny_overlay("my.jsonl"))
    [run] = overlay["runs"]
    overlay["runs"] += [{**run, "engines": ["hf-continuous"]}, {**run, "requests_per_s": RATE}]
    (tree / "own.yaml").write_text(yaml.safe_dump(overlay))
    done = snakemake(tree, "--configfile", "own.yaml", "--", WORKLOAD)
    assert done.returncode == 0, done.stderr
    return tree


class Call:
    """`snakemake` in `tree` for one run, in a session and with a temporary folder of its own.

    Unless `resumes`, the run is done even if it is there. `prefix` is the beginning of the command.
    """

    def __init__(
        self,
        tree: Path,
        engine: str,
        *arguments: str,
        point: str = "base",
        resumes: Call | None = None,
        prefix: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.tree, self.engine, self.point, self.prefix = tree, engine, point, prefix
        self.rule = "run_vllm" if engine.startswith("vllm") else "run_traditional"
        self.label = f"{self.rule} tiny {engine} mine {point}"
        self.log = tree / f"logs/{self.rule}/tiny/{engine}/mine/{point}.log"
        self.log.unlink(missing_ok=True)
        # A short path, for vLLM's sockets.
        self.temporary = resumes.temporary if resumes else Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `close`)
        self.mark = uuid.uuid4().hex
        self.seen: dict[int, psutil.Process] = {}
        forced = () if resumes else ("--forcerun", self.rule)
        self.process = subprocess.Popen(
            [*prefix, *SNAKEMAKE, *arguments, *forced, "--", run_file(engine, point=point)],
            cwd=None if prefix else tree,
            env={
                **os.environ,
                "TMPDIR": str(self.temporary),
                "TORCHINDUCTOR_CACHE_DIR": str(tree / "cache"),
                MARK: self.mark,
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

    def alive(self) -> list[psutil.Process]:
        """All processes of the call that live: known by descent, by its session, or by its mark."""
        return [one for number in psutil.pids() if (one := self._owned(number))]

    def _owned(self, number: int) -> psutil.Process | None:
        with suppress(psutil.Error, ProcessLookupError):
            process = psutil.Process(number)
            descends, session = self.seen.get(number) == process, os.getsid(number)
            owned = descends or session == self.process.pid or process.environ().get(MARK) == self.mark
            if owned and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

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

    def serving(self) -> str:
        """The pass that the job's log says has begun last: what happens after `until` may happen in a later one."""
        return re.findall(r"(\S+) begins$", self.log.read_text(errors="replace"), re.MULTILINE)[-1]

    def shows(self, text: str) -> Call:
        """Wait until a text is on the terminal."""
        self._wait(lambda: text in "\n".join(self.screen()), text)
        return self

    def has(self, name: str) -> Call:
        """Wait until one of its processes has `name` in its command line."""
        self._wait(lambda: self.named(name), name)
        return self

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert self.process.poll() is None, f"the call ended before {what}:\n{self.screen()}"
            assert time.monotonic() < end, f"{what} did not come:\n{self.screen()}"
            time.sleep(0.02)
        return found

    def stopped(self) -> Call:
        """Wait until the job has stopped itself, as `stopping_at` had it do."""
        job = self.job()[1]
        self._wait(lambda: job.status() == psutil.STATUS_STOPPED, "the job's stop")
        self.family()
        return self

    def group(self, number: int) -> None:
        """Signal the call as a terminal does."""
        self.family()
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """The exit code of Snakemake, once it and all that it started have ended."""
        code = self.process.wait(PATIENCE_S)
        end = time.monotonic() + ENDS_S
        while alive := self.alive():
            assert time.monotonic() < end, alive
            time.sleep(0.1)
        assert not [line for line in self.screen() if "Traceback" in line], "\n".join(self.screen())
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
        """Folders left under the temporary folder but for that of locks, copies of scripts, and files half written."""
        found = [path.name for path in self.temporary.iterdir() if path.name != f"kvbench-{os.getuid()}"]
        found += [path.name for path in self.tree.glob(".snakemake/scripts/*")]
        return found + [path.name for path in self.tree.glob("results/**/.*.tmp")]

    def unlock(self) -> None:
        """`make unlock`."""
        subprocess.run([*SNAKEMAKE, "--unlock"], cwd=self.tree, check=True, capture_output=True, timeout=PATIENCE_S)

    def close(self) -> None:
        """End what a failed test has left."""
        for one in self.alive():
            with suppress(psutil.Error):
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

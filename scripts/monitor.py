"""Live memory of GPUs, their processes and the host: `make monitor`. --once, or no terminal: one snapshot."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from kvbench.errors import UserError
from kvbench.machine.nvml import GpuSample, Session

TOP = 8


def main() -> None:
    """Print snapshots until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Live memory of GPUs, their processes and the host.")
    parser.add_argument("--once", action="store_true", help="print one snapshot and exit")
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between snapshots")
    options = parser.parse_args()
    if options.interval <= 0:
        parser.error("--interval: must be more than 0")
    live = sys.stdout.isatty() and not options.once
    try:
        with Session() as session:
            while True:
                lines = list(snapshot(session))
                print(*(_in_place(lines) if live else lines), sep="\n", flush=True)
                if not live:
                    break
                time.sleep(options.interval)
    except UserError as error:
        sys.exit(str(error))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stdout = None  # nothing more to flush


def _in_place(lines: list[str]) -> list[str]:
    """Overwrite the last snapshot: cursor home, each line cut to the window, the rest of line and screen cleared."""
    size = os.get_terminal_size()
    shown = [f"{line[: size.columns - 1]}\x1b[K" for line in lines[: size.lines - 1]]
    return [f"\x1b[H{shown[0]}", *shown[1:-1], f"{shown[-1]}\x1b[J"]


def snapshot(session: Session) -> Iterator[str]:
    """The lines of one snapshot."""
    yield time.strftime("%H:%M:%S") + (f"  no GPU ({session.problem})" if session.problem else "")
    for gpu in session.gpus():
        yield from _gpu_lines(gpu)
    yield from _host_lines()


def _gpu_lines(gpu: GpuSample) -> Iterator[str]:
    power = "" if gpu.power_w is None else f"  {gpu.power_w:.0f} W"
    busy = "" if gpu.utilisation_percent is None else f"  {gpu.utilisation_percent}% busy"
    yield f"GPU {gpu.index}  {gpu.name}  {_gib(gpu.used_bytes)} of {_gib(gpu.total_bytes)}{busy}{power}"
    for process in sorted(gpu.processes or (), key=lambda one: -(one.used_bytes or 0)):
        yield f"  {process.pid:>8}  {_gib(process.used_bytes):>10}  {_name(process.pid)}"


def _host_lines() -> Iterator[str]:
    memory = psutil.virtual_memory()
    yield f"host  {_gib(memory.total - memory.available)} of {_gib(memory.total)}"
    mine = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == os.getuid():
                mine.append((process.memory_info().rss, process.pid))
    for rss, pid in sorted(mine, reverse=True)[:TOP]:
        yield f"  {pid:>8}  {_gib(rss):>10}  {_name(pid)}"


def _name(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        command = " ".join(" ".join(process.cmdline()).split()) or process.name()
        return textwrap.shorten(command, 100, placeholder=" ...")
    except psutil.Error:
        return "(not visible from here)"


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.2f} GiB"


if __name__ == "__main__":
    main()

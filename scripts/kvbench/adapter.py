"""Shared by all rules' scripts: logging to the rule's log, progress on the terminal, one-line errors."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from kvbench.errors import UserError
from kvbench.files import FULL
from kvbench.lifetime import scratch, warden, watch
from kvbench.lifetime.caller import take as take_caller
from kvbench.lifetime.clock import settle
from kvbench.lifetime.order import KEPT, Order
from kvbench.lifetime.parents import TERMINATED
from kvbench.memory_errors import describe_memory_error
from kvbench.provenance import recording

log = logging.getLogger("kvbench")

# Seconds for a rule that names no limit of its own. No table and no figure takes a tenth of it.
LIMIT_S = 12 * 3600.0


@dataclass(frozen=True)
class Job:
    """A running job: the terminal it may write progress to, and the label it shows there."""

    terminal: TextIO
    label: str

    def tell(self, line: str) -> None:
        """Print one line on the terminal, after the job's label."""
        print(f"{self.label}: {line}", file=self.terminal, flush=True)

    def progress(self, total: int, unit: str) -> Any:
        """A tqdm bar on the terminal; it shows nothing if that is a file, such as a cluster's log."""
        from tqdm import tqdm

        return tqdm(
            total=total,
            unit=f" {unit}",
            desc=self.label,
            file=self.terminal,
            dynamic_ncols=True,
            mininterval=0.2,
            disable=not self.terminal.isatty(),
        )


@contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run a rule's work: output and logging go to the rule's log; a failure prints one line and exits with code 1.

    Under Snakemake, inputs are checked first, and the job's manifest is written last.
    """
    gc.freeze()  # imported modules are never freed
    gc.enable()  # see quick_start
    label = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    terminal = _redirect_output(path)
    kept = _keep(snakemake, label, path, terminal)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        inputs = recording.begin(snakemake) if kept else {}
        yield Job(terminal, label)
        if kept:
            if late := settle(map(str, snakemake.input)):
                log.warning("the clock was set back: %s", ", ".join(late))
            recording.end(snakemake, inputs)
    except UserError as error:
        log.error("%s", error)
        _fail(terminal, f"{label}: {error}")
    except MemoryError as error:
        traceback.print_exc()
        _fail(terminal, f"{label}: {describe_memory_error(error, f'details in {path}')}")
    except KeyboardInterrupt:
        _fail(terminal, f"{label}: interrupted by SIGINT; {KEPT}", code=130)
    except SystemExit as error:
        if kept and error.code == TERMINATED:  # who watches over the job tells why
            leave(TERMINATED)
        raise
    except OSError as error:
        traceback.print_exc()
        remedy = "free some disk space and run again" if error.errno in FULL else f"details in {path}"
        _fail(terminal, f"{label}: {error.strerror or error} {error.filename or ''}; {remedy}")
    except Exception as error:
        traceback.print_exc()
        _fail(terminal, f"{label}: {type(error).__name__}: {error} (details in {path})")
    finally:
        scratch.leave()


def leave(code: int = 0) -> NoReturn:
    """Exit the process of a finished job at once: an orderly shutdown of vLLM's modules takes seconds for nothing."""
    scratch.leave()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _keep(snakemake: Any, label: str, log: Path, terminal: TextIO) -> bool:
    """Under Snakemake, go on in a process that somebody watches over; whether that is so."""
    caller = take_caller()
    if caller is None:
        return False
    given_s = float(snakemake.resources.get("timeout_s", 0))
    outputs = tuple(map(str, snakemake.output))
    order = Order(label, snakemake.rule, str(log), caller, terminal, given_s, LIMIT_S, outputs)
    (warden if warden.available() else watch).keep(order)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return True


def _redirect_output(path: Path) -> TextIO:
    """Send file descriptors 1 and 2 (ours, native code's, children's) to `path`; return the old terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return terminal


def _fail(terminal: TextIO, line: str, code: int = 1) -> None:
    print(" ".join(line.split()), file=terminal, flush=True)
    sys.stderr.flush()
    sys.exit(code)

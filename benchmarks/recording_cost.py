"""What recording costs: passes with it on and off, interleaved in one process.

    python benchmarks/recording_cost.py --engine vllm --model resources/models/smollm2-135m/model.json \\
        --workload results/workloads/smollm2-135m/mixed.parquet

Prints tokens/s with and without, their ratio with a bootstrap 95% interval over pairs, and hook time over step time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from common import Order, add_inputs, settle


def main() -> None:
    arguments = parse()
    order, settings = settle(arguments, arguments.engine, temperature=0.0, dtype=arguments.dtype)
    engine = make_engine(settings)
    warm_up = 2
    recorded = [(number // 2 + number) % 2 == 0 for number in range(2 * arguments.pairs)]  # on off, off on, ...
    engine.prepare(silent_passes=[warm_up + i for i, on in enumerate(recorded) if not on])
    try:
        engine.load()
        seconds, hook_s = [], 0.0
        for number in range(warm_up + len(recorded)):
            begin = time.monotonic()
            generated = engine.generate(order.requests, lambda tokens: None, None, lambda part: None)
            seconds.append(time.monotonic() - begin)
            generated = engine.collect(generated, number)
            if number >= warm_up and recorded[number - warm_up]:
                hook_s += generated.hook_s
            print(f"pass {number}: {seconds[-1]:.4f} s", file=sys.stderr, flush=True)
    finally:
        engine.close()
    report(arguments, order, recorded, seconds[warm_up:], hook_s)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm")
    add_inputs(parser, kv_budget_mib=48)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--dtype", default="auto")
    return parser.parse_args()


def make_engine(settings):
    if settings.engine.startswith("vllm"):
        from kvbench.engines.vllm_engine import VllmEngine as Engine
    else:
        from kvbench.engines.hf_engines import make_engine as Engine
    return Engine(settings)


def report(
    arguments: argparse.Namespace, order: Order, recorded: list[bool], seconds: list[float], hook_s: float
) -> None:
    import numpy as np
    from scipy.stats import bootstrap

    tokens = sum(request.output_tokens for request in order.requests)
    on = np.array([s for s, r in zip(seconds, recorded, strict=True) if r])
    off = np.array([s for s, r in zip(seconds, recorded, strict=True) if not r])
    ratios = off / on  # throughput with recording over throughput without, pair by pair
    interval = bootstrap((ratios,), np.median, random_state=np.random.default_rng(0)).confidence_interval
    print(
        json.dumps(
            {
                "engine": arguments.engine,
                "pairs": len(on),
                "output_tokens_a_pass": tokens,
                "tokens_per_s_recording": round(tokens / float(np.median(on)), 1),
                "tokens_per_s_silent": round(tokens / float(np.median(off)), 1),
                "ratio_median": round(float(np.median(ratios)), 4),
                "ratio_interval_95": [round(float(interval.low), 4), round(float(interval.high), 4)],
                "hook_s_over_pass_s": round(hook_s / float(on.sum()), 6),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()

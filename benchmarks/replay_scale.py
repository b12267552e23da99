"""Replay 10^4, 10^5 and 10^6 sharegpt requests, each in its own process; print seconds and peak memory.

    python benchmarks/replay_scale.py                   # paged and reserve-max, a queue that never empties
    python benchmarks/replay_scale.py --policies hf-batch oracle --sizes 10000
    python benchmarks/replay_scale.py --rate 2          # requests per second instead of all at once
    python benchmarks/replay_scale.py --rate 16 --replicas 8 --router least-outstanding
    python benchmarks/replay_scale.py --utilisation     # live over allocated, one request at a time

The pool is the 15.7K slots that the PagedAttention paper gives OPT-13B (Kwon et al. 2023, section 6.2). Seconds are
those of the whole process, including drawing the lengths and loading the kernels (or compiling them, the first time).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS, PUBLISHED = ROOT / "scripts", ROOT / "config/published.yaml"
sys.path.insert(0, str(SCRIPTS))

import numpy as np  # noqa: E402

from kvbench.analysis.published import read_published  # noqa: E402
from kvbench.kv.policies import ROUTERS  # noqa: E402
from kvbench.replay import POLICIES, Settings, StepTime, Trace, replay  # noqa: E402
from kvbench.replay.fleet import replay_fleet  # noqa: E402
from kvbench.replay.routing import Routing  # noqa: E402
from kvbench.workload.draws import SCALE, stream, uniform  # noqa: E402
from kvbench.workload.lengths import draw_lengths  # noqa: E402

MAX_LENGTH = 2048


def main() -> None:
    arguments = parse()
    if arguments.one:
        one(arguments)
    elif arguments.utilisation:
        utilisation(arguments)
    else:
        scale(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["paged", "reserve-max"])
    parser.add_argument("--pool-slots", type=int, default=15_700)
    parser.add_argument("--block-size", type=int, default=16)
    parser.add_argument("--allocator", default="buddy")
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second; 0: all at once")
    parser.add_argument("--replicas", type=int, default=0, help="engines behind a router; 0: one engine without")
    parser.add_argument("--router", choices=ROUTERS[:2], default="round-robin")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--utilisation", action="store_true")
    parser.add_argument("--one", action="store_true", help="the first size and policy, in this process")
    return parser.parse_args()


def scale(arguments: argparse.Namespace) -> None:
    """Run a process per size and policy; the smallest size runs twice and must give the same results."""
    print(f"{'policy':<14}{'requests':>10}{'steps':>13}{'seconds':>9}{'CPU s':>8}{'GiB':>7}{'us/request':>12}  digest")
    for policy in arguments.policies:
        digests = [report(arguments, policy, size) for size in [arguments.sizes[0], *arguments.sizes]]
        if digests[0] != digests[1]:
            raise SystemExit("the same seed gave different results")


def report(arguments: argparse.Namespace, policy: str, size: int) -> str:
    given = ["--pool-slots", arguments.pool_slots, "--block-size", arguments.block_size, "--rate", arguments.rate]
    given += ["--seed", arguments.seed, "--allocator", arguments.allocator]
    given += ["--replicas", arguments.replicas, "--router", arguments.router]
    command = [sys.executable, __file__, "--one", "--sizes", size, "--policies", policy, *given]
    begin = time.monotonic()
    output = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, found = time.monotonic() - begin, json.loads(output.splitlines()[-1])
    print(
        f"{policy:<14}{size:>10,}{found['steps']:>13,}{seconds:>9.1f}{found['cpu_s']:>8.1f}{found['gib']:>7.2f}"
        f"{seconds / size * 1e6:>12.1f}  {found['digest']}",
        flush=True,
    )
    return found["digest"]


def one(arguments: argparse.Namespace) -> None:
    """Replay and print a record; progress goes to the terminal."""
    from tqdm import tqdm

    size, policy = arguments.sizes[0], arguments.policies[0]
    trace = sharegpt(size, arguments.seed, arguments.rate)
    settings = Settings(
        policy,
        arguments.pool_slots,
        max_length=MAX_LENGTH,
        block_size=arguments.block_size,
        allocator=arguments.allocator,
        step_time=StepTime.of(0.02, 2e-5),
    )
    with tqdm(total=size, unit=" requests", disable=not sys.stderr.isatty(), leave=False) as bar:
        if arguments.replicas:
            found = replay_fleet(trace, settings, Routing(arguments.router, arguments.replicas), progress=bar.update)
        else:
            found = replay(trace, settings, progress=bar.update)
    digest = hashlib.sha256(repr(found.totals).encode())
    digest.update(found.requests.finish_ns)
    used = resource.getrusage(resource.RUSAGE_SELF)
    steps = sum(one.steps for one in found.totals) if arguments.replicas else found.totals.steps
    record = {"steps": steps, "digest": digest.hexdigest()[:12], "gib": used.ru_maxrss / 2**20}
    print(json.dumps(record | {"cpu_s": used.ru_utime + used.ru_stime}))


def utilisation(arguments: argparse.Namespace) -> None:
    """Sum of live over sum of allocated slots, one request at a time: over all steps, and over decode steps only."""
    size = 100_000
    trace = sharegpt(size, arguments.seed, 0.0)
    final, prompt = trace.final_tokens, trace.prompt_tokens
    published = {one.where["policy"]: one for one in read_published(PUBLISHED, "alone_live_share")}
    print(f"{size:,} sharegpt requests, seed {arguments.seed}, one at a time")
    for settings in (
        Settings("paged", MAX_LENGTH, max_running=1, max_step_tokens=MAX_LENGTH, block_size=16),
        Settings("reserve-max", MAX_LENGTH, max_running=1, max_step_tokens=MAX_LENGTH, max_length=MAX_LENGTH),
    ):
        totals = replay(trace, settings).totals
        held = -(-prompt // 16) * 16 if settings.policy == "paged" else np.full(size, MAX_LENGTH)
        decoding = (totals.live - prompt.sum()) / (totals.allocated - held.sum())
        assert totals.steps == (final - prompt + 1).sum()
        beside = published[settings.policy]
        found = f"{totals.utilisation:.1%} of allocated over all steps, {decoding:.1%} decoding only"
        print(f"{settings.policy:<12} {found}; {beside.source}: {beside.low:.1%}")


def sharegpt(size: int, seed: int, rate: float) -> Trace:
    """Lengths of the sharegpt workload; with a rate, exponential gaps between arrivals."""
    prompt, output = draw_lengths("sharegpt", size, seed, "replay-scale")
    if not rate:
        return Trace.of(prompt, output)
    gaps = -np.log1p(-uniform(stream(seed, "replay-scale", "arrivals"), size) / SCALE) / rate
    return Trace.of(prompt, output, np.cumsum(gaps))


if __name__ == "__main__":
    main()

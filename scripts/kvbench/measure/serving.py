"""Serve all passes of a run and take wall time, CPU time and energy; after running out of memory, serve what fits."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kvbench.adapter import Job
from kvbench.engines.base import Engine, Generated
from kvbench.engines.out_of_memory import OutOfMemory
from kvbench.kv.checks import check_equal
from kvbench.machine.nvml import Session
from kvbench.machine.processes import cpu_s
from kvbench.measure.largest_batch import Limit, search
from kvbench.measure.passes import WARM_UP, Pass
from kvbench.measure.phases import Phases
from kvbench.measure.sampler import Sampler
from kvbench.workload.read import Request

log = logging.getLogger(__name__)

# On an H100, passes of 0.07 s read 0 to 28 J, while samples 0.1 s apart nearly always differed: the counter is updated
# about every 0.1 s, so the energy of a pass shorter than ten updates may be wrong by a tenth or more.
MIN_ENERGY_S = 1.0


Done = list[tuple[Pass, dict[str, Any], Generated]]


@dataclass(frozen=True)
class Served:
    """All passes, the limit set by memory, and the bytes that torch had reserved after the warm-up (None: unknown)."""

    done: Done
    limit: Limit | None
    warm_reserved: int | None = None


def serve(engine: Engine, passes: list[Pass], phases: Phases, sampler: Sampler, job: Job) -> Served:
    """Run all passes. If a padded batch runs out of memory, find the largest that fits and start again with it."""
    limit, begin_ns = None, time.monotonic_ns()
    longest = max((one.requests for one in passes), key=lambda requests: sum(r.output_tokens for r in requests))
    while limit is None or limit.fits:
        try:
            return replace(_run_passes(engine, passes, phases, sampler, job), limit=limit)
        except OutOfMemory as error:
            log.warning("%s; searching for the largest batch that fits", error)
            phases.enter("fitting")
            most = len(engine.costliest_batch(longest, error.rows))
            limit = search(error.rows, lambda rows: _fits(engine, longest, rows), most)
            log.warning("%d rows fit, %d do not", limit.fits, limit.out_of_memory)
            engine.limit_rows(limit.fits)
            phases.enter("loaded")
            phases.rename(begin_ns, "fitting")
            sampler.rename(begin_ns, "fitting")
            begin_ns = time.monotonic_ns()
    return Served([], limit)


def _fits(engine: Engine, requests: Sequence[Request], rows: int) -> bool:
    """Whether the costliest batch of at most `rows` rows can be served to its end."""
    engine.limit_rows(rows)
    try:
        engine.generate(engine.costliest_batch(requests, rows), lambda tokens: None, None, lambda part: None)
    except OutOfMemory:
        return False
    return True


def _run_passes(engine: Engine, passes: list[Pass], phases: Phases, sampler: Sampler, job: Job) -> Served:
    """Run all passes once; each yields its record for run.json and the engine's output."""
    done, warm_reserved = [], None
    with job.progress(sum(r.output_tokens for p in passes for r in p.requests), "tokens") as bar:
        for one in passes:
            phases.enter(one.phase)
            log.info("%s begins", one.phase)
            record, generated = _one_pass(engine, one, phases, sampler.session, bar, job)
            begin_ns = record["start_ns"]
            record["stopped_s"] = sampler.stops.seconds(begin_ns, begin_ns + round(1e9 * record["wall_s"]))
            done.append((one, record, generated))
            if one.phase == WARM_UP:
                sampler.sample()
                warm_reserved = engine.memory()["reserved"]
                engine.begin_peak()
            log.info("%s: %d output tokens in %.3f s", one.phase, record["output_tokens"], record["wall_s"])
    return Served(done, None, warm_reserved)


def _one_pass(
    engine: Engine, one: Pass, phases: Phases, session: Session, bar: Any, job: Job
) -> tuple[dict[str, Any], Generated]:
    energy, cpu = session.energy_j(), cpu_s()
    start_ns = time.monotonic_ns()
    due_ns = None if one.due_s is None else [start_ns + round(due * 1e9) for due in one.due_s]
    generated = engine.generate(
        one.requests, bar.update, job.terminal, lambda part: phases.enter(f"{one.phase}/{part}"), due_ns
    )
    wall_s = (time.monotonic_ns() - start_ns) / 1e9
    used_s, after = cpu_s() - cpu, session.energy_j()
    told = energy is not None and after is not None and wall_s >= MIN_ENERGY_S
    generated = engine.collect(generated, one.repeat)
    check_equal(
        "tokens returned",
        [len(c.output_token_ids) for c in generated.completions],
        [r.output_tokens for r in one.requests],
    )
    record = {
        "repeat": one.repeat,
        "phase": one.phase,
        "scope": one.scope,
        "timed": one.timed,
        "start_ns": start_ns,
        "wall_s": wall_s,
        "cpu_s": used_s,
        "energy_j": after - energy if told else None,
        "requests": len(one.requests),
        "prompt_tokens": sum(r.prompt_tokens for r in one.requests),
        "output_tokens": sum(r.output_tokens for r in one.requests),
        "hook_s": generated.hook_s,
    }
    return record, generated

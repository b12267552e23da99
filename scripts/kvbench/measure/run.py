"""One engine on one workload, from load to files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kvbench.adapter import Job, job, leave
from kvbench.engines.base import Engine, EngineSettings, Generated, LoadTimes
from kvbench.engines.names import is_paged, is_static
from kvbench.engines.out_of_memory import OutOfMemory
from kvbench.files import read_parquet
from kvbench.kv.checks import check_equal
from kvbench.machine.cards import choose_cards, hold_cards, refuse_others
from kvbench.machine.nvml import Session
from kvbench.machine.processes import cpu_s
from kvbench.machine.threads import set_threads
from kvbench.machine.turns import Turn
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.largest_batch import Limit, search
from kvbench.measure.loading import Loaded, load_engine
from kvbench.measure.memory_parts import memory_parts
from kvbench.measure.orders import Order, resolve
from kvbench.measure.passes import WARM_UP, Pass, plan_passes
from kvbench.measure.phases import Phases
from kvbench.measure.run_files import Done, Measured, Paths, write_run
from kvbench.measure.sampler import Sampler
from kvbench.model.slots import itemsize
from kvbench.workload.check import refuse_arrivals
from kvbench.workload.read import Request

log = logging.getLogger(__name__)

# On an H100 passes of 0.07 s read 0 to 28 J, while samples 0.1 s apart nearly always differed: the counter moves in
# steps between the two, so what it says of a pass under ten of them may be wrong by a tenth and more.
MIN_ENERGY_S = 1.0


def run_job(snakemake: Any, make_engine: Callable[[EngineSettings], Engine]) -> None:
    """The work of a rule that runs an engine: its inputs, outputs and parameters as `run` takes them."""
    with job(snakemake) as task:
        inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
        order = Order(
            settings=params.settings,
            environment=Path(inputs.environment),
            model=Path(inputs.model),
            workload=Path(inputs.workload),
            digests={"code": params.code},
        )
        paths = Paths(**{name: Path(getattr(outputs, name)) for name in Paths.__dataclass_fields__})
        run(order, make_engine, paths, task)
    leave()


def run(order: Order, make_engine: Callable[[EngineSettings], Engine], paths: Paths, job: Job) -> None:
    """Load an engine, serve the workload as often as asked, check and write what was measured."""
    refuse_arrivals(read_parquet(order.workload), order.workload)
    session = Session()
    others = _take_cards(order, session, job)
    settings = resolve(order)
    set_threads(settings.threads)
    engine = make_engine(settings)
    passes = _passes(order)
    with Turn(job.tell) as turn:
        phases = Phases()
        try:
            with Sampler(phases, order.settings["sample_period_s"], session) as sampler:
                sampler.sample()
                engine.prepare(block_passes=[p.repeat for p in passes if p.phase == "blocks"])
                loaded = load_engine(engine, job.tell)
                phases.enter("loaded")
                if order.purpose == "measure":
                    turn.measure()
                sampler.sample()
                served = _serve(engine, passes, phases, sampler, job)
                phases.enter("done")
                measured = _measured(order, engine, loaded, served, phases, sampler)
                measured = replace(measured, limit=served.limit, other_programs=others)
        finally:
            engine.close()
            session.close()
    write_run(measured, paths)


def _take_cards(order: Order, session: Session, job: Job) -> list[dict[str, Any]]:
    """Let the session speak of this run's GPUs alone; other programs there are returned, or refused by UserError."""
    if order.machine["device"] == "cpu":
        session.keep(())
        return []
    gpus = order.settings["gpus"]
    hold_cards(session, gpus, job.tell)
    others = refuse_others(session, gpus, allow=order.settings["shared_gpu"])
    session.keep([card.uuid for card in choose_cards(session, gpus)])
    return others


def _passes(order: Order) -> list[Pass]:
    s = order.settings
    measure = order.purpose == "measure"
    return plan_passes(
        s["engine"],
        order.requests,
        s["repeats"],
        s["sequential_requests"],
        read_blocks=measure and is_paged(s["engine"]),
        warm_up_requests=None if measure else 1,
    )


@dataclass(frozen=True)
class Served:
    """All passes, the limit that memory set, and what torch had reserved when the warm-up ended (None: not known)."""

    done: Done
    limit: Limit | None
    warm_reserved: int | None = None


def _serve(engine: Engine, passes: list[Pass], phases: Phases, sampler: Sampler, job: Job) -> Served:
    """Run every pass. Where a padded batch runs out of memory, find what fits and begin again with that."""
    limit, begin_ns = None, time.monotonic_ns()
    longest = max((one.requests for one in passes), key=lambda requests: sum(r.output_tokens for r in requests))
    while limit is None or limit.fits:
        try:
            return replace(_run_passes(engine, passes, phases, sampler, job), limit=limit)
        except OutOfMemory as error:
            log.warning("%s; looking for the largest that fits", error)
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
    """Each pass gives its record for run.json and what the engine generated."""
    done, warm_reserved = [], None
    with job.progress(sum(r.output_tokens for p in passes for r in p.requests), "tokens") as bar:
        for one in passes:
            phases.enter(one.phase)
            record, generated = _one_pass(engine, one, phases, sampler.session, bar, job)
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
    generated = engine.generate(
        one.requests, bar.update, job.terminal, lambda part: phases.enter(f"{one.phase}/{part}")
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


def _measured(
    order: Order, engine: Engine, loaded: Loaded, served: Served, phases: Phases, sampler: Sampler
) -> Measured:
    settings = engine.settings
    static = settings.max_length if is_static(settings.engine) else None
    kv, checks = [], dict(loaded.checks)
    for one, record, generated in served.done:
        columns, found = kv_rows(
            generated,
            one.requests,
            slot_bytes=settings.slot_bytes,
            static_width=static,
            shared=settings.prefix_sharing,
        )
        kv.append(columns)
        checks |= {name: checks.get(name, 0) + n for name, n in found.items()}
        record["steps"] = int((columns["scheduled_tokens"] > 0).sum())
        record["preemptions"] = int(columns["preemptions"][-1])
    sampler.sample()
    parameter_bytes = order.record.architecture.parameters * itemsize(settings.dtype)
    return Measured(
        order=order,
        settings=settings,
        in_force=engine.in_force(),
        capacity={
            "budget_bytes": settings.budget_bytes,
            "reserved_row_slots": settings.reserved_row_slots if settings.engine == "vllm-reserved" else None,
            **engine.capacity(),
        },
        load=loaded.times,
        changed=loaded.changed,
        done=served.done,
        kv=kv,
        checks=checks,
        memory=memory_parts(
            engine.memory(),
            _runtime_bytes(order, settings, loaded.times),
            sampler.rows,
            settings.device,
            parameter_bytes,
            served.warm_reserved,
        ),
        phases=phases,
        device_rows=sampler.rows,
        sampling_errors=sampler.errors,
        packages=engine.packages,
    )


def _runtime_bytes(order: Order, settings: EngineSettings, load: LoadTimes) -> int | None:
    """What the process held before any model; None where it is not known."""
    if settings.device == "cpu":
        return load.imported_bytes
    context = order.machine.get("cuda_context_bytes")
    return None if context is None else settings.gpus * context

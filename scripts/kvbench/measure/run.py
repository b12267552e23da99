"""One engine on one workload, from load to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kvbench.adapter import Job, job, leave
from kvbench.engines.base import Engine, EngineSettings
from kvbench.engines.names import is_paged
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.files import read_parquet
from kvbench.lifetime import link
from kvbench.machine.cards import choose_cards, hold_cards, refuse_others
from kvbench.machine.host import host_record
from kvbench.machine.nvml import Session
from kvbench.machine.threads import set_threads
from kvbench.machine.turns import Turn
from kvbench.measure.block_reading import block_stride
from kvbench.measure.limit import limit_s
from kvbench.measure.loading import load_engine
from kvbench.measure.measured import gather
from kvbench.measure.orders import Order, resolve
from kvbench.measure.passes import Pass, arriving, kept_in, plan_passes, read_in, upkeep_in
from kvbench.measure.phases import Phases
from kvbench.measure.run_files import Paths, write_run
from kvbench.measure.sampler import Sampler
from kvbench.measure.serving import serve
from kvbench.model.contents import check as check_content
from kvbench.model.slots import itemsize
from kvbench.workload.arrivals import due_s, pattern_of
from kvbench.workload.check import check_arrivals

WARM_UP_REQUESTS = 8  # where requests arrive over time: the engine never has to hold all of them


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
    """Load an engine, serve the workload in all passes, check the results and write them."""
    check_arrivals(read_parquet(order.workload), order.workload, order.settings["requests_per_s"])
    check_content(order.record)
    session = Session()
    others = _take_cards(order, session, job)
    host = host_record(session)
    settings = resolve(order)
    set_threads(settings.threads)
    engine = make_engine(settings)
    passes = _passes(order, settings)
    weights = order.record.architecture.parameters * itemsize(settings.dtype)
    link.limit(limit_s(settings, weights, passes))
    every = block_stride(passes[-1].requests, settings.block_size) if read_in(passes) else None
    with Turn(job.tell) as turn:
        phases = Phases()
        try:
            with link.deferring(), Sampler(phases, order.settings["sample_period_s"], session) as sampler:
                sampler.sample()
                engine.prepare(_recorded(passes, every or 1))
                loaded = load_engine(engine, job.tell)
                phases.enter("loaded")
                if order.purpose == "measure":
                    turn.measure()
                sampler.sample()
                served = serve(engine, passes, phases, sampler, job)
                phases.enter("done")
                measured = gather(order, engine, loaded, served, phases, sampler)
                measured = replace(measured, host=host, other_programs=others, blocks_every=every)
        finally:
            engine.close()
            session.close()
    link.phase("write")
    write_run(measured, paths)


def _take_cards(order: Order, session: Session, job: Job) -> list[dict[str, Any]]:
    """Restrict the session to this run's GPUs; return other programs on them, or refuse them with a UserError."""
    if order.machine["device"] == "cpu":
        session.keep(())
        return []
    gpus = order.settings["gpus"]
    hold_cards(session, gpus, job.tell)
    others = refuse_others(session, gpus, allow=order.settings["shared_gpu"])
    session.keep([card.uuid for card in choose_cards(session, gpus)])
    return others


def _recorded(passes: Sequence[Pass], stride: int) -> RecordedPasses:
    return RecordedPasses(read_in(passes), upkeep_in(passes), stride=stride, kept=kept_in(passes))


def _passes(order: Order, settings: EngineSettings) -> list[Pass]:
    s = order.settings
    measure, over_time, vllm = order.purpose == "measure", settings.arrivals, s["engine"].startswith("vllm")
    plan = plan_passes(
        s["engine"],
        order.requests,
        s["repeats"],
        s["sequential_requests"],
        read_blocks=measure and is_paged(s["engine"]) and s["read_blocks"],
        upkeep_alone=settings.device == "cuda" and vllm,
        keep_cache=settings.prefix_sharing and vllm and not over_time,
        warm_up_requests=(WARM_UP_REQUESTS if over_time else None) if measure else 1,
    )
    return arriving(plan, partial(_due_s, order)) if over_time else plan


def _due_s(order: Order, repeat: int) -> Sequence[float]:
    """When the requests of a repeat arrive, in seconds after its start."""
    s = order.settings
    if s["requests_per_s"] == "file":
        return [request.arrival_s for request in order.requests]
    pattern = pattern_of(s["process"], repeat)
    return due_s(len(order.requests), s["requests_per_s"], s["seed"], pattern, s["burstiness"]).tolist()

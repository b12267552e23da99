"""All results of a run, gathered after its last pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kvbench.engines.base import Engine, EngineSettings, Generated, LoadTimes
from kvbench.engines.names import is_static
from kvbench.measure.kv_rows import add_checks, kv_rows
from kvbench.measure.largest_batch import Limit
from kvbench.measure.loading import Loaded
from kvbench.measure.memory_parts import memory_parts
from kvbench.measure.orders import Order
from kvbench.measure.passes import Pass
from kvbench.measure.phases import Phases
from kvbench.measure.sampler import Sampler
from kvbench.measure.serving import Done, Served
from kvbench.model.slots import itemsize


@dataclass(frozen=True)
class Measured:
    """All results of a run."""

    order: Order
    settings: EngineSettings
    in_force: dict[str, Any]
    changed: dict[str, dict[str, Any]]
    capacity: dict[str, Any]
    load: LoadTimes
    done: Done
    kv: list[dict[str, Any]]
    checks: dict[str, int]
    memory: dict[str, Any]
    phases: Phases
    device_rows: list[dict[str, Any]]
    sampling_errors: list[str]
    packages: tuple[str, ...]
    limit: Limit | None
    host: dict[str, Any] | None = None
    other_programs: Sequence[dict[str, Any]] = ()
    blocks_every: int | None = None  # steps from one reading of block ids to the next


def gather(order: Order, engine: Engine, loaded: Loaded, served: Served, phases: Phases, sampler: Sampler) -> Measured:
    """Gather the results after the last pass: the slots of every step, checked, and memory by part."""
    checks = dict(loaded.checks)
    kv = [_kv_of_pass(one, engine.settings, checks) for one in served.done]
    sampler.sample()
    return Measured(
        order=order,
        settings=engine.settings,
        in_force=engine.in_force(),
        capacity=_capacity(engine),
        load=loaded.times,
        changed=loaded.changed,
        done=served.done,
        kv=kv,
        checks=checks,
        memory=_memory(order, engine, loaded.times, served, sampler),
        phases=phases,
        device_rows=sampler.rows,
        sampling_errors=sampler.errors,
        packages=engine.packages,
        limit=served.limit,
    )


def _kv_of_pass(
    done: tuple[Pass, dict[str, Any], Generated], settings: EngineSettings, checks: dict[str, int]
) -> dict[str, Any]:
    """Columns of `kv.parquet` for a pass; also updates `checks`, and steps, preemptions and hits in its record."""
    one, record, generated = done
    columns, found = kv_rows(
        generated,
        one.requests,
        slot_bytes=settings.slot_bytes,
        static_length=settings.max_length if is_static(settings.engine) else None,
        shared=settings.prefix_sharing,
    )
    add_checks(checks, found)
    record["steps"] = int((columns["scheduled_tokens"] > 0).sum())
    record["preemptions"] = int(columns["preemptions"][-1])
    if generated.prefix_counts is not None:
        record |= {f"prefix_{name}": count for name, count in asdict(generated.prefix_counts).items()}
    return columns


def _capacity(engine: Engine) -> dict[str, int | None]:
    """The entry `capacity` of run.json."""
    settings = engine.settings
    return {
        "budget_bytes": settings.budget_bytes,
        "reserved_row_slots": settings.row_bytes // settings.slot_bytes if settings.engine == "vllm-reserved" else None,
        **engine.capacity(),
    }


def _memory(order: Order, engine: Engine, load: LoadTimes, served: Served, sampler: Sampler) -> dict[str, Any]:
    """The entry `memory` of run.json."""
    settings = engine.settings
    return memory_parts(
        engine.memory(),
        _runtime_bytes(order, settings, load),
        sampler.rows,
        settings.device,
        order.record.architecture.parameters * itemsize(settings.dtype),
        served.warm_reserved,
    )


def _runtime_bytes(order: Order, settings: EngineSettings, load: LoadTimes) -> int | None:
    """Bytes that the process held before any model was loaded; None if unknown."""
    if settings.device == "cpu":
        return load.imported_bytes
    context = order.machine.get("cuda_context_bytes")
    return None if context is None else settings.gpus * context

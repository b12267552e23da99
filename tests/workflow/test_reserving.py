"""The live engines that reserve admit what fits, step by step, and the check fails under any other rule.

vLLM loads once in a process, so each form runs in a child: this file as a program, which writes the schedules of its
passes.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.tiny import BLOCK, MAX_LENGTH, generate, tiny_requests, tiny_settings
from builders.vllm_children import run_program

from kvbench.engines.names import RESERVATION
from kvbench.engines.schedule_log import COUNTS
from kvbench.kv.checks import AccountingError
from kvbench.kv.policies import RESERVING
from kvbench.kv.reservation import reserved_for
from kvbench.kv.schedule import ADMITTED, FREED, Schedule

BLOCKS, STEP_TOKENS = 26, 256  # six reservations of the maximum length; prompts that fit may take two steps
RNG = np.random.default_rng(19)
PASSES = (
    [(3, 2)],
    list(zip(RNG.integers(1, 90, 60).tolist(), RNG.integers(1, 39, 60).tolist(), strict=True)),
    [(20 + 3 * i % 40, output) for i, output in enumerate([1, 2, 3, 4, 5, 16, 17, 32, 33, 64, 65] * 4)],
)
TIMES = ("t_ns", "end_ns", "hook_s", "request_ids")  # vLLM's own ids differ from pass to pass
# Form: engine, and a rule in place of its own.
FORMS = {
    "paged": ("vllm", None),
    "paged, process of its own": ("vllm", None),
    "rows": ("vllm-reserved", None),
    "reserve-max": ("vllm", "reserve-max"),
    "power-of-two": ("vllm-reserved-power-of-two", None),
    "oracle": ("vllm-reserved-oracle", None),
    "oracle, process of its own": ("vllm-reserved-oracle", None),
    "oracle, asynchronous": ("vllm-reserved-oracle", None),  # its scheduler; on a CPU vLLM takes the other
}


@pytest.fixture(scope="module")
def served(tiny, tmp_path_factory):
    """The schedules of all passes by form."""
    return {form: serve_in_child(form, tiny, tmp_path_factory.mktemp("served")) for form in FORMS}


def serve_in_child(form: str, model: Path, folder: Path) -> list[Schedule]:
    own = {"VLLM_ENABLE_V1_MULTIPROCESSING": str(int(form.endswith("its own")))}  # as on CUDA
    run_program(__file__, form, str(model), str(folder), log=folder / "vllm.log", **own)
    in_force = json.loads((folder / "in_force.json").read_text())
    assert in_force["engine_in_subprocess"] == form.endswith("its own")
    assert in_force["max_num_seqs"] == (BLOCKS * BLOCK // MAX_LENGTH if form == "rows" else 256)
    return [Schedule.load(folder / f"{number}.npz") for number in range(len(PASSES))]


def check_admission(schedule: Schedule, lengths: list, policy: str) -> tuple[int, int]:
    """Check at each step that reservations fit the pool and that the next request's would not fit beside them.

    Requests are admitted in order of submission. Returns how often a request waited for room and for tokens of a step.
    """
    needs = -(-reserved_for(policy, *np.array(lengths).T, MAX_LENGTH) // BLOCK)
    order, held, waits = schedule.submission_order(), set(), {"room": 0, "tokens": 0}
    admitted = 0
    for step in range(len(schedule.t_ns)):
        for event in np.flatnonzero(schedule.event_step == step):
            number, kind = int(order[schedule.event_request[event]]), schedule.event_kind[event]
            assert kind in (ADMITTED, FREED), "a request was preempted"
            held ^= {number}
            if kind == ADMITTED:
                assert number == admitted, "a request was overtaken"
                admitted += 1
        reserved = needs[list(held)].sum()
        assert len(held) == schedule.running[step]
        assert reserved <= schedule.total_blocks == BLOCKS, "reservations are beyond the pool"
        if admitted < len(lengths):
            why = "room" if reserved + needs[admitted] > BLOCKS else "tokens"
            assert why == "room" or schedule.scheduled_tokens[step] == STEP_TOKENS, "a request that fits waits"
            waits[why] += 1
    assert admitted == len(lengths)
    return waits["room"], waits["tokens"]


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith(("paged", "rows"))])
def test_every_step_admits_what_fits_and_nothing_is_preempted(served, form):
    policy = form.partition(",")[0]
    found = [check_admission(*one, policy) for one in zip(served[form], PASSES, strict=True)]
    room, tokens = np.sum(found, axis=0)
    assert room > 20
    assert tokens > 0 or policy == "reserve-max"  # six prompts have fewer tokens than a step


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("policy", RESERVING)
def test_a_schedule_under_another_rule_fails_the_check(served, form, policy):
    if form.partition(",")[0] == policy or (form, policy) == ("rows", "reserve-max"):
        return
    for schedule, lengths in list(zip(served[form], PASSES, strict=True))[1:]:
        with pytest.raises(AssertionError):
            check_admission(schedule, lengths, policy)


def check_same_schedules(one: list[Schedule], other: list[Schedule]) -> None:
    """Check that each pass has the same schedule in both, times apart."""
    for first, second in zip(one, other, strict=True):
        for field in dataclasses.fields(Schedule):
            if field.name not in TIMES:
                same = np.array_equal(getattr(first, field.name), getattr(second, field.name))
                assert same, field.name
        assert first.submission_order().tolist() == second.submission_order().tolist()


def test_reserving_the_maximum_length_is_limiting_the_number_of_requests(served):
    """So `vllm-reserved`, which limits their number, is the first of the paper's three."""
    check_same_schedules(served["reserve-max"], served["rows"])


@pytest.mark.parametrize("form", ["oracle", "paged"])
def test_a_process_of_its_own_changes_no_schedule(served, form):
    """Its first step, too, finds all requests there."""
    check_same_schedules(served[form], [without_last_step(one) for one in served[f"{form}, process of its own"]])


def without_last_step(schedule: Schedule) -> Schedule:
    """Without the last step, which has no tokens: an engine in a process of its own takes one more."""
    assert np.flatnonzero(schedule.scheduled_tokens == 0).tolist() == [len(schedule.t_ns) - 1]
    columns = {name: getattr(schedule, name)[:-1] for name in ("t_ns", *COUNTS, "dump_length", "unsettled")}
    return dataclasses.replace(schedule, **columns)


def test_the_less_is_reserved_the_more_requests_run(served):
    for number in range(1, len(PASSES)):
        means = {form: served[form][number].running.mean() for form in FORMS}
        steps = {form: len(served[form][number].t_ns) for form in FORMS}
        assert means["reserve-max"] < means["power-of-two"] < means["oracle"] < means["paged"]
        assert steps["reserve-max"] > steps["power-of-two"] > steps["oracle"]
    assert sum(served["paged"][1].preemptions()) > 0, "the same pool preempts without reservations"


def test_where_the_rule_is_broken_the_run_is(tiny, tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        serve_in_child("broken", tiny, tmp_path)
    assert f"{AccountingError.__name__}: request " in (tmp_path / "vllm.log").read_text()


def serve(form: str, model: str, folder: str) -> None:
    """The child: serve all passes and write what was recorded of each."""
    from kvbench.engines.vllm.runner import VllmEngine

    name, rule = FORMS.get(form, FORMS["oracle"])
    options = {"max_num_batched_tokens": STEP_TOKENS}
    engine = VllmEngine(dataclasses.replace(tiny_settings(Path(model), name, BLOCKS), options=options))
    if rule is not None:
        engine.recording = dataclasses.replace(engine.recording, reservation=rule)
    assert (engine.recording.reservation is None) == (rule is None and name not in RESERVATION)
    if form.endswith("asynchronous"):
        from kvbench.engines.vllm import scheduler as schedulers

        schedulers.KINDS[True, False] = schedulers.ReservingAsyncScheduler
    engine.load()
    core = getattr(engine.front.llm.llm_engine.engine_core, "engine_core", None)  # None in a process of its own
    assert core is None or ("Async" in type(core.scheduler).__name__) == form.endswith("asynchronous")
    if form == "broken":
        core.scheduler.reservations.fitting = lambda waiting: 256
    (Path(folder) / "in_force.json").write_text(json.dumps(engine.in_force(), default=str))
    for number, lengths in enumerate(PASSES):
        engine.collect(generate(engine, tiny_requests(lengths)), number).schedule.save(Path(folder) / f"{number}.npz")
    engine.close()


if __name__ == "__main__":
    serve(*sys.argv[1:])

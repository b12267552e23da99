"""A request is admitted exactly when its reservation fits beside those of running requests."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvbench.engines.recorded_passes import SCHEDULES_ONLY
from kvbench.engines.vllm.recording import Recording
from kvbench.engines.vllm.reserving import Reservations, Reserving
from kvbench.kv.checks import AccountingError
from kvbench.kv.policies import RESERVING

BLOCK, MAX_LENGTH, POOL = 16, 64, 10


def asks(prompt: int, output: int, name: str = "") -> SimpleNamespace:
    return SimpleNamespace(num_prompt_tokens=prompt, max_tokens=output, request_id=name)


QUEUE = [asks(10, 23), asks(10, 5), asks(20, 9), asks(40, 20), asks(1, 1)]
BLOCKS = {"reserve-max": [4, 4, 4, 4, 4], "power-of-two": [3, 2, 3, 4, 1], "oracle": [2, 1, 2, 4, 1]}


def reservations(policy: str, pool: int = POOL) -> Reservations:
    return Reservations(policy, pool, BLOCK, MAX_LENGTH)


@pytest.mark.parametrize("policy", RESERVING)
def test_reservations_are_rounded_up_to_whole_blocks(policy: str) -> None:
    found = [reservations(policy).blocks_of(one.num_prompt_tokens, one.max_tokens) for one in QUEUE]
    assert found == BLOCKS[policy]


def test_each_block_table_of_a_model_reserves_as_many() -> None:
    six = Reservations("oracle", POOL, BLOCK, MAX_LENGTH, tables=6)
    assert [six.blocks_of(one.num_prompt_tokens, one.max_tokens) for one in QUEUE] == [12, 6, 12, 24, 6]


@pytest.mark.parametrize(("policy", "count"), [("reserve-max", 2), ("power-of-two", 3), ("oracle", 5)])
def test_the_head_of_the_queue_is_counted_and_one_more_is_looked_at(policy: str, count: int) -> None:
    seen = []
    assert reservations(policy).fitting(seen.append(one) or one for one in QUEUE) == count
    assert seen == QUEUE[: count + 1]


def test_a_small_request_does_not_overtake_one_that_waits_for_room() -> None:
    held = reservations("oracle", pool=5)
    held.admit("a", asks(20, 9))
    assert held.fitting([asks(40, 20), asks(1, 1)]) == 0
    assert held.fitting([asks(1, 1), asks(20, 9), asks(1, 1)]) == 2
    held.release("a")
    assert held.fitting([asks(40, 20), asks(1, 1)]) == 2


def test_what_never_ran_holds_nothing_and_what_does_not_fit_is_a_defect() -> None:
    held = reservations("reserve-max", pool=7)
    held.release("never admitted")
    held.admit("a", asks(1, 1))
    assert held.free_blocks == 3
    with pytest.raises(AccountingError, match="b was admitted with a reservation of 4 blocks beside 3"):
        held.admit("b", asks(1, 1))


class Scheduler:
    """As much of vLLM's scheduler as admission needs; a request runs for `max_tokens` steps."""

    def __init__(self, queue: list[SimpleNamespace], most: int) -> None:
        self.requests = {one.request_id: one for one in queue}
        self.waiting, self.kv_holding_waiting, self.running = deque(queue), deque(), []
        self.left = {one.request_id: one.max_tokens for one in queue}
        self.block_size, self.max_model_len, self.max_num_active_reqs = BLOCK, MAX_LENGTH, most
        self.kv_cache_manager = SimpleNamespace(block_pool=SimpleNamespace(get_num_free_blocks=lambda: POOL))
        self.kv_cache_config = SimpleNamespace(kv_cache_groups=[None])

    def schedule(self) -> SimpleNamespace:
        new = []
        while self.waiting and len(self.running) < self.max_num_active_reqs:
            new.append(self.waiting.popleft())
            self.running.append(new[-1])
        return SimpleNamespace(scheduled_new_reqs=[SimpleNamespace(req_id=one.request_id) for one in new])

    def update(self) -> None:
        for one in list(self.running):
            self.left[one.request_id] -= 1
            if not self.left[one.request_id]:
                self._free_request(one)
                self.running.remove(one)

    def _free_request(self, request: SimpleNamespace) -> None:
        """vLLM frees blocks here."""


class ReservingScheduler(Reserving, Scheduler):
    pass


LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 24)), min_size=1, max_size=20)


@given(LENGTHS, st.sampled_from(RESERVING), st.sampled_from([3, 256]))
def test_every_step_admits_all_that_fit_and_no_more(lengths: list, policy: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvbench.engines.vllm.recording.os.environ", {})
        Recording("", SCHEDULES_ONLY, policy).announce()
        scheduler = ReservingScheduler([asks(*one, str(n)) for n, one in enumerate(lengths)], most)
    needs = reservations(policy).blocks_of
    while scheduler.waiting or scheduler.running:
        scheduler.schedule()
        held = sum(needs(one.num_prompt_tokens, one.max_tokens) for one in scheduler.running)
        assert held <= POOL
        assert len(scheduler.running) <= most
        if scheduler.waiting and len(scheduler.running) < most:
            assert held + needs(scheduler.waiting[0].num_prompt_tokens, scheduler.waiting[0].max_tokens) > POOL
        scheduler.update()
        assert scheduler.reservations.held.keys() == {one.request_id for one in scheduler.running}
    assert scheduler.reservations.free_blocks == POOL


def test_a_preemption_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvbench.engines.vllm.recording.os.environ", {})
    Recording("", SCHEDULES_ONLY, "oracle").announce()
    with pytest.raises(AccountingError, match="request a was to be preempted"):
        ReservingScheduler([], 256)._preempt_request(asks(1, 1, "a"), 0.0)

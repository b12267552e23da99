"""Admission by reservation in vLLM's scheduler: a request waits until its reservation fits beside all others.

Blocks are still taken on demand. As each reservation is rounded up to whole blocks and no request outgrows its own, a
running request always finds a free block, so that none is ever preempted.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Protocol

from kvbench.engines.vllm.recording import Recording
from kvbench.kv.checks import AccountingError
from kvbench.kv.reservation import reserved_for
from kvbench.kv.split import blocks_for


class Lengths(Protocol):
    """What a reservation depends on, as a request of vLLM has it."""

    num_prompt_tokens: int
    max_tokens: int


class Reservations:
    """The reservations of running requests in a pool, in blocks, under a policy of `kv.policies.RESERVING`.

    With several block tables, each request reserves in all of them what it does in one: also the layers with a window
    hold blocks for a whole prompt in the step that computes it. The pool has to hold a request of `max_length`;
    `arguments.own_arguments` refuses a budget that does not.
    """

    def __init__(self, policy: str, pool_blocks: int, block_size: int, max_length: int, tables: int = 1) -> None:
        def blocks_of(prompt_tokens: int, output_tokens: int) -> int:
            return tables * int(blocks_for(reserved_for(policy, prompt_tokens, output_tokens, max_length), block_size))

        self.blocks_of = lru_cache(maxsize=None)(blocks_of)  # the first that waits is looked at in every step
        self.free_blocks = pool_blocks
        self.held: dict[str, int] = {}

    def fitting(self, waiting: Iterable[Lengths]) -> int:
        """How many requests from the head of the queue fit beside those that run; looks at one more than that."""
        free, count = self.free_blocks, 0
        for request in waiting:
            free -= self.blocks_of(request.num_prompt_tokens, request.max_tokens)
            if free < 0:
                break
            count += 1
        return count

    def admit(self, request_id: str, request: Lengths) -> None:
        """Reserve for a request that runs from now on; AccountingError if its reservation does not fit."""
        blocks = self.blocks_of(request.num_prompt_tokens, request.max_tokens)
        if blocks > self.free_blocks:
            raise AccountingError(
                f"request {request_id} was admitted with a reservation of {blocks} blocks beside {self.free_blocks}"
            )
        self.held[request_id] = blocks
        self.free_blocks -= blocks

    def release(self, request_id: str) -> None:
        """Give back the reservation of a request that has ended; one that ended while it waited has none."""
        self.free_blocks += self.held.pop(request_id, 0)


class Reserving:
    """Mixin over vLLM's schedulers: limits admission to the requests whose reservations fit.

    The limit is vLLM's own on running requests (`max_num_active_reqs`), set anew before each step from the waiting
    requests in the order in which the scheduler takes them, and never above what it was. `self` is a `Scheduler` of
    vLLM 0.32.
    """

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy, pool = Recording.announced().reservation, self.kv_cache_manager.block_pool
        tables = len(self.kv_cache_config.kv_cache_groups)
        blocks = pool.get_num_free_blocks()
        self.reservations = Reservations(policy, blocks, self.block_size, self.max_model_len, tables)
        self.most_active = self.max_num_active_reqs

    def schedule(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = len(self.running)
        waiting = islice(chain(self.kv_holding_waiting, self.waiting), max(self.most_active - running, 0))
        self.max_num_active_reqs = running + self.reservations.fitting(waiting)
        output = super().schedule(*args, **kwargs)
        for new in output.scheduled_new_reqs:
            self.reservations.admit(new.req_id, self.requests[new.req_id])
        return output

    def _preempt_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        raise AccountingError(f"request {request.request_id} was to be preempted, although its blocks were reserved")

    def _free_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        freed = super()._free_request(request, *args, **kwargs)
        self.reservations.release(request.request_id)
        return freed

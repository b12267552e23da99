"""A request's answer as its client sees it: tokens with the times at which they came, and vLLM's own times."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from kvbench.engines.base import Completion
from kvbench.workload.read import Request


@dataclass
class Answer:
    """The tokens of one request; times are CLOCK_MONOTONIC nanoseconds."""

    due_ns: int
    submitted_ns: int = 0
    tokens: list[int] = field(default_factory=list)
    token_ns: list[int] = field(default_factory=list)
    last: Any = None  # vLLM's last output, which has its times

    def add(self, output: Any) -> int:
        """Take an output with the tokens since the last one; return how many they are."""
        new = output.outputs[0].token_ids
        self.tokens.extend(new)
        self.token_ns.extend([time.monotonic_ns()] * len(new))
        self.last = output
        return len(new)

    @property
    def complete(self) -> bool:
        """Whether the last token has come."""
        return self.last is not None and self.last.finished

    def completion(self, request: Request) -> Completion:
        """The request's completion, with the first and last token's times at the client."""
        times = self.last.metrics
        return Completion(
            request.request_id,
            list(self.tokens),
            to_ns(times.scheduled_ts),
            self.token_ns[0],
            self.token_ns[-1],
            cached_tokens=self.last.num_cached_tokens,
            due_ns=self.due_ns,
            submitted_ns=self.submitted_ns,
            received_ns=to_ns(times.queued_ts),
            token_ns=list(self.token_ns),
        )


def completion(request: Request, output: Any) -> Completion:
    """The completion of a request that was submitted with all others, with the engine's own times."""
    times = output.metrics
    return Completion(
        request.request_id,
        list(output.outputs[0].token_ids),
        to_ns(times.scheduled_ts),
        to_ns(times.first_token_ts),
        to_ns(times.last_token_ts),
        cached_tokens=output.num_cached_tokens,
    )


def to_ns(seconds: float) -> int:
    """Whole nanoseconds of vLLM's monotonic seconds."""
    return int(seconds * 1e9)

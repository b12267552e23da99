"""Batches of a server of padded batches: when idle, it takes from the head of its queue as many as its budget holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvbench.engines.base import Completion, EngineSettings
from kvbench.engines.client import Client
from kvbench.engines.transformers.batches import first_batch
from kvbench.workload.read import Request


class ArrivingBatches:
    """Iterates over batches, each taken from what has been submitted when the batch before it has ended."""

    def __init__(self, settings: EngineSettings, requests: Sequence[Request], client: Client) -> None:
        self.settings, self.requests, self.client = settings, requests, client
        self.received_ns: list[int] = []

    def __iter__(self) -> Iterator[list[Request]]:
        queue: list[Request] = []
        while queue or len(self.received_ns) < len(self.requests):
            arrived = self.client.arrived(wait=not queue)
            queue += [self.requests[number] for number in arrived]
            self.received_ns += [time.monotonic_ns()] * len(arrived)
            if queue:
                batch = first_batch(self.settings, queue)
                queue = queue[len(batch) :]
                yield batch

    def timed(self, completions: Sequence[Completion]) -> list[Completion]:
        """Completions, in the order of the requests, with the times at which each was due, submitted and received.

        The tokens of a request come back with its batch, so that they have no times of their own.
        """
        times = zip(self.client.due_ns, self.client.submitted_ns, self.received_ns, strict=True)
        return [
            replace(done, due_ns=due, submitted_ns=submitted, received_ns=received)
            for done, (due, submitted, received) in zip(completions, times, strict=True)
        ]

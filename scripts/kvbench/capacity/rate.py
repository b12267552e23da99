"""Cards for a rate of requests, by Little's law."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """What a rate of requests asks for: `time_s` in service for each, so `in_service` at once, on `cards`."""

    requests_per_s: float
    time_s: float
    in_service: float
    groups: int
    cards: int
    most_per_s: float  # that one group serves


def demand(
    requests_per_s: float, steps_per_request: float, step_s: float, at_once: float, cards_per_model: int
) -> Demand:
    """Cards in groups of `cards_per_model`, of which each has `at_once` requests in service.

    L = λ W (Little, A Proof for the Queuing Formula L = λW, Operations Research 9(3), 1961, doi:10.1287/opre.9.3.383):
    requests in service are their rate of arrival times the time that one is in service, here its steps times the length
    of a step at that many requests. Groups are L over what one holds, rounded up.
    """
    time_s = steps_per_request * step_s
    in_service = requests_per_s * time_s
    groups = max(1, math.ceil(in_service / at_once - 1e-9))
    return Demand(requests_per_s, time_s, in_service, groups, groups * cards_per_model, at_once / time_s)

"""The number of cards for a request rate, by Little's law."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """The demand of a request rate: each request is in service for `time_s`, so `in_service` at once, on `cards`."""

    requests_per_s: float
    time_s: float
    in_service: float
    groups: int
    cards: int
    most_per_s: float  # highest rate that one group can serve


def demand(
    requests_per_s: float, steps_per_request: float, step_s: float, at_once: float, cards_per_model: int
) -> Demand:
    """The demand on cards in groups of `cards_per_model`, where each group has `at_once` requests in service.

    L = λ W (Little, A Proof for the Queuing Formula L = λW, Operations Research 9(3), 1961, doi:10.1287/opre.9.3.383):
    requests in service are the arrival rate times the time of one in service, which here is its number of steps times
    the duration of a step with that many requests. The number of groups is L over `at_once`, rounded up.
    """
    time_s = steps_per_request * step_s
    in_service = requests_per_s * time_s
    groups = max(1, math.ceil(in_service / at_once - 1e-9))
    return Demand(requests_per_s, time_s, in_service, groups, groups * cards_per_model, at_once / time_s)

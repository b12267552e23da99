"""Short words for the tour's texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvbench.records import SPLIT

LONGEST_NAME = 40


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 block`, `1,024 blocks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def doing(count: int, noun: str, verb: str) -> str:
    """A number with its noun and what they do: `1 request runs`, `2 requests run`."""
    return f"{counted(count, noun)} {verb}{'s' if count == 1 else ''}"


def at(times: Sequence[int], step: int) -> str:
    """Step and time since all requests were submitted."""
    return f"Step {step:,}, {times[step] / 1e6:.3f} s"


def holding(side: Mapping[str, Any], step: int) -> str:
    """How many of the allocated slots hold a token that is needed: `40 of 64 allocated slots hold a token`."""
    slots = sum(side[part][step] for part in SPLIT if part in side)
    kinds = side.get("groups", ())
    of_a_layer = ", each for one token in one layer," if len(kinds) > 1 else ""
    needed = " that a later one attends to" if kinds else ""
    return f"{side['live'][step]:,} of {slots:,} allocated slots{of_a_layer} hold a token{needed}"


class Names:
    """Names of requests as the page shows them, long ones shortened."""

    def __init__(self, requests: Sequence[dict[str, Any]]) -> None:
        self.requests = requests

    def of(self, request: int) -> str:
        """Request, then its id."""
        name = str(self.requests[request]["id"])
        return f"request {name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + '…'}"

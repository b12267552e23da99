"""Short words for the tour's texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


class Names:
    """Names of requests as the page shows them, long ones shortened."""

    def __init__(self, requests: Sequence[dict[str, Any]]) -> None:
        self.requests = requests

    def of(self, request: int) -> str:
        """Request, then its id."""
        name = str(self.requests[request]["id"])
        return f"request {name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + '…'}"

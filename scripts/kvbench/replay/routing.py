"""How requests are spread over replicas: how many there are, and the router that chooses one for each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_REPLICAS = 1024


@dataclass(frozen=True)
class Routing:
    """Replicas behind a router (docs/replay.md). The last three are of `prefix-aware`, with SGLang's defaults.

    Such a router sends a request to the replica whose earlier prompts share the longest prefix with its own, if that is
    more than `match_share` of its tokens, else to the one that has been sent the fewest different blocks. If the most
    requests in flight at a replica are more than the fewest by over `apart_requests`, and over `apart_ratio` times as
    many, it sends it to the one with the fewest instead.
    """

    router: str
    replicas: int
    match_share: float = 0.3
    apart_requests: int = 64
    apart_ratio: float = 1.5

    @classmethod
    def given(cls, fleet: Mapping[str, Any], router: str, replicas: int) -> Routing:
        """The Routing of a key `fleet` of a scenario, with defaults filled in."""
        return cls(router, replicas, **fleet["prefix_aware"])

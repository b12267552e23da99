"""How many replicas serve a trace within the limits on latency, by replaying fleets; beside it, what division says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from kvbench.capacity.fit import fit
from kvbench.capacity.rate import demand
from kvbench.errors import UserError
from kvbench.replay.fleet import replay_fleet
from kvbench.replay.fleet_outcome import outcome
from kvbench.replay.inputs import Trace
from kvbench.replay.routing import Routing
from kvbench.replay.scenario import requests_of, settings_of


def record(name: str, scenario: Mapping[str, Any], seed: int, slo: Mapping[str, Any], trace: Trace) -> dict[str, Any]:
    """fleet.json: the fleets of a scenario that were replayed, under each of its policies and routers.

    `slo` has `ttft_s`, `tpot_s` and the `share` of requests that must keep both. UserError if all requests arrive at
    once, so that no number of replicas serves them in time.
    """
    _require_arrivals(name, trace)
    return {
        "scenario": name,
        "settings": {**scenario, "seed": seed},
        "slo": dict(slo),
        "requests": requests_of(trace),
        "offered_per_s": offered_per_s(trace),
        "division": {policy: division(scenario, policy, trace) for policy in scenario["policies"]},
        "fleets": [
            one
            for policy in scenario["policies"]
            for router in scenario["fleet"]["routers"]
            for one in fleets(scenario, policy, router, slo, trace)
        ],
    }


def fleets(
    scenario: Mapping[str, Any], policy: str, router: str, slo: Mapping[str, Any], trace: Trace
) -> Iterator[dict[str, Any]]:
    """The fleets of one policy and router, by number of replicas: those asked for, and those that the search tried.

    `fewest` says which of them the search found. Without a search it is None for all.
    """
    own, asked = settings_of(scenario, policy), scenario["fleet"]
    tried: dict[int, dict[str, Any]] = {}

    def holds(replicas: int) -> bool:
        if replicas not in tried:
            found = replay_fleet(trace, own, Routing.given(asked, router, replicas))
            tried[replicas] = outcome(trace, found, slo)
        return tried[replicas]["attainment_share"] >= slo["share"]

    for replicas in asked.get("replicas", ()):
        holds(replicas)
    found = fewest(holds, asked["at_most"]) if "at_most" in asked else None
    for replicas in sorted(tried):
        is_found = replicas == found if "at_most" in asked else None
        kept = {"holds_slo": holds(replicas), "fewest": is_found}
        yield {"policy": policy, "router": router, "replicas": replicas, **kept, **tried[replicas]}


def fewest(holds: Callable[[int], bool], at_most: int) -> int | None:
    """A number of replicas that holds although one fewer does not, from 1 to `at_most`; None if `at_most` fails too.

    Doubles the number until it holds, then bisects. More replicas hold nearly always where fewer do, but no router
    guarantees it: a smaller number that also holds may exist below one that fails.
    """
    fails, keeps = 0, 1
    while not holds(keeps):
        if keeps == at_most:
            return None
        fails, keeps = keeps, min(2 * keeps, at_most)
    while keeps - fails > 1:
        middle = (fails + keeps) // 2
        if holds(middle):
            keeps = middle
        else:
            fails = middle
    return keeps


def division(scenario: Mapping[str, Any], policy: str, trace: Trace) -> dict[str, Any] | None:
    """Little's law for a policy, as a capacity plan applies it; None if there are too few requests to keep a queue.

    Requests at once and the time of a step are those of one replica with a full queue, and the rate is the scenario's
    or, of a file, the mean over its arrivals.
    """
    rate = scenario.get("requests_per_s", offered_per_s(trace))
    at_once = replace(trace, arrival_ns=np.zeros_like(trace.arrival_ns))
    try:
        full = fit(at_once, settings_of(scenario, policy), "replays")
    except UserError:
        return None
    found = demand(rate, full.steps_per_request, full.step_s or 0.0, full.requests_at_once, _cards(scenario))
    return {**asdict(found), "requests_at_once": full.requests_at_once}


def offered_per_s(trace: Trace) -> float:
    """Requests a second between the first arrival and the last."""
    return (len(trace) - 1) / (int(trace.arrival_ns[-1] - trace.arrival_ns[0]) / 1e9)


def _cards(scenario: Mapping[str, Any]) -> int:
    return scenario["fleet"]["cards_per_model"]


def _require_arrivals(name: str, trace: Trace) -> None:
    if trace.arrival_ns[-1] == trace.arrival_ns[0]:
        raise UserError(
            f"config.yaml: replays.{name}.fleet: all requests arrive at once, and no number of replicas has a rate to "
            "serve; set requests_per_s, or use a file with arrival times"
        )

"""A tour of a map: moments that its data has, spread over the run, each with what was measured there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kvbench.blockmap.moments import Scout, Stop, part_of
from kvbench.blockmap.wording import at, doing, holding

OWN = ("first", "most")  # moments of every run: told of the first side only


def tour_of(requests: Sequence[dict[str, Any]], sides: Sequence[dict[str, Any]]) -> list[Stop]:
    """The stops, in order of time; the second side at the fullest moment of the queue comes after that moment.

    A moment that the first side lacks is taken from the next side with blocks that has it.
    """
    if not sides:
        return []
    stops = Scout(requests, sides, 0).stops()
    if len(sides) > 1 and "queue" in stops:
        stops["queue"] = [stop for stop in stops["queue"] if beside(sides, stop["step"])] or stops["queue"]
    found = spread(stops, sides[0])
    anchor = next((found[name] for name in ("queue", "most") if name in found), None)
    for number in range(1, len(sides)):
        if sides[number]["form"] == "paged":
            others = Scout(requests, sides, number).stops()
            lacking = {name: stops for name, stops in others.items() if name not in found and name not in OWN}
            found |= spread(lacking, sides[number])
    tour: list[Stop] = []
    for stop in sorted(found.values(), key=lambda stop: _time(sides[stop["side"]], stop["step"])):
        tour.append(stop)
        if stop is anchor and len(sides) > 1:
            tour += beside(sides, stop["step"])
    return tour


def spread(stops: Mapping[str, Sequence[Stop]], side: Mapping[str, Any]) -> dict[str, Stop]:
    """One of the stops of each name: the earliest in a part of the run with no other stop, if there is one.

    `stops` are in order of time. The names with the fewest stops choose first.
    """
    found: dict[str, Stop] = {}
    parts: set[int] = set()
    steps: set[int] = set()
    for name, own in sorted(stops.items(), key=lambda item: len(item[1])):
        apart = [stop for stop in own if part_of(stop["step"], side) not in parts]
        later = [stop for stop in own if stop["step"] not in steps]
        found[name] = stop = (apart or later or own)[0]
        parts.add(part_of(stop["step"], side))
        steps.add(stop["step"])
    return found


def _time(side: Mapping[str, Any], step: int) -> int:
    """Microseconds at which a step began."""
    return int(np.sum(side["t_us"][: step + 1]))


def beside(sides: Sequence[dict[str, Any]], step: int) -> list[Stop]:
    """The second side at the instant of a step of the first, if it served requests then."""
    time = _time(sides[0], step)
    times = np.cumsum(sides[1]["t_us"])
    there = int(np.searchsorted(times, time, side="right")) - 1
    if there < 0 or not sides[1]["running"][there]:
        return []
    first, second = (_numbers(side, at_step) for side, at_step in ((sides[0], step), (sides[1], there)))
    text = (
        f"{at(times, there)}: in {sides[1]['engine']}, {second}. At the same instant in {sides[0]['engine']}, {first}."
    )
    return [{"title": "The same instant without paging", "text": text, "side": 1, "step": there, **NOTHING}]


NOTHING = {"request": None, "cell": None}


def _numbers(side: dict[str, Any], step: int) -> str:
    return f"{doing(side['running'][step], 'request', 'run')}, {side['waiting'][step]:,} waiting; {holding(side, step)}"

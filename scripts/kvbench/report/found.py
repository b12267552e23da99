"""At most nine lines for the terminal: the answers of the report's first screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.answers import Answer, Number
from kvbench.report.sections import first_screen

LINES = 9


def in_short(
    tables: Mapping[str, pd.DataFrame],
    runs: Sequence[Run],
    seed: int,
    plans: pd.DataFrame | None = None,
    missing: Sequence[str] = (),
) -> str:
    """Lines of text; `tables` are those of the report, by name, `seed` that of intervals, `plans` capacity.csv.

    `missing` are runs that the configuration asks for and that are not there.
    """
    lines = _measured(tables, runs, seed) if runs else ["Nothing was measured: runs is empty."]
    if missing:
        more = f" and {len(missing) - 1} more, which the report names" if missing[1:] else ""
        lines.append(f"Left out, since it is missing: {missing[0]}{more}.")
    without = [] if plans is None else _at_once("Plan", plans, "plan", "requests_at_once")
    if "replays" in tables:
        without += _at_once("Replay", tables["replays"], "scenario", "running_mean_requests")
    if "fleets" in tables:
        without += _replicas(tables["fleets"])
    room = LINES - len(lines)
    if len(without) > room:
        without = [*without[: room - 1], f"{len(without) - room + 1} more plans or replays are in the report."]
    return "\n".join([*lines, *without]) + "\n"


def _measured(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], seed: int) -> list[str]:
    """A title and the four answers of the model and workload that the report begins with."""
    model, workload, found = first_screen(tables, runs, seed)
    others = len({(run.model, run.workload) for run in runs}) - 1
    more = f" ({others} more in the report)" if others else ""
    return [f"{model}, {workload}{more}", *(f"  {line(answer)}" for answer in found)]


def line(answer: Answer) -> str:
    """The answer's title and numbers, or why there is none."""
    numbers = "; ".join(_number(number, answer.unit) for number in answer.numbers)
    return f"{answer.title}: {numbers or answer.missing.removesuffix('.')}."


def _number(number: Number, unit: str) -> str:
    around = f" {number.around}" if number.around else ""
    return f"{number.middle}{unit}{around} ({number.name})"


def _at_once(what: str, table: pd.DataFrame, name: str, column: str) -> list[str]:
    """One line per plan or scenario: requests at once under each policy that has a number."""
    return [
        f"{what} {one}, requests at once: "
        + ", ".join(f"{row['policy']} {row[column]:.3g}" for _, row in rows.iterrows() if pd.notna(row[column]))
        for one, rows in table.groupby(name, sort=False)
    ]


def _replicas(fleets: pd.DataFrame) -> list[str]:
    """One line per scenario and router: the fewest replicas within the SLO under each policy."""
    searched = fleets[fleets["fewest"].notna()]
    return [
        f"Fleet {scenario}, replicas within the SLO, {router}: "
        + ", ".join(f"{policy} {_fewest(own)}" for policy, own in rows.groupby("policy", sort=False))
        for (scenario, router), rows in searched.groupby(["scenario", "router"], sort=False)
    ]


def _fewest(rows: pd.DataFrame) -> str:
    found = rows.loc[rows["fewest"].eq(True), "replicas"]
    return f"more than {rows['replicas'].max()}" if found.empty else str(found.iloc[0])

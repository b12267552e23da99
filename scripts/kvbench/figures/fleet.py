"""The share of requests within the SLO, and the slowest first tokens, against the number of replicas, by router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from kvbench.figures.style import OTHER, WIDTH_IN, is_narrow, look, said, settle, styled, wrapped
from kvbench.files import read_table

OPTIONS = {"width_in": WIDTH_IN}
# A policy has the colour of the engine that has it; markers and lines tell routers apart.
POLICIES = {
    "reserve-max": look("vllm-reserved"),
    "power-of-two": look("vllm-reserved-power-of-two"),
    "oracle": look("vllm-reserved-oracle"),
    "hf-batch": look("hf-batch"),
    "hf-static": look("hf-static"),
    "paged": look("vllm"),
}
ROUTERS = {"round-robin": ("o", ":"), "least-outstanding": ("s", "-"), "prefix-aware": ("^", "--")}
RING = {"marker": "o", "ms": 9, "mfc": "none", "mew": 1.2, "ls": ""}
DIVIDED = {"marker": "x", "ms": 6, "mew": 1.4, "ls": "", "zorder": 4}
NOTHING = "No fleet of this scenario was replayed."


def from_job(job: Any) -> Figure:
    """The figure of a plot rule's inputs."""
    found = read_table(job.input.table)
    return draw(found[found["scenario"] == job.wildcards.scenario], job.params.options)


@styled
def draw(found: pd.DataFrame, options: Mapping[str, Any] | None = None) -> Figure:
    """Lines of a scenario's rows of fleets.csv, one for each policy and router.

    A ring marks the fewest replicas that the search found, a cross what division says. Saturated fleets have no time.
    """
    width_in = settle(options, OPTIONS)["width_in"]
    found = found.dropna(subset=["replicas", "attainment_share"])
    if found.empty:
        return said(NOTHING, width_in)
    text, narrow = wrapped(note(found), width_in), is_narrow(width_in)
    figure = Figure(figsize=(width_in, (5.0 if narrow else 3.1) + 0.13 * text.count("\n")), layout="constrained")
    attained, slowest = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    for (policy, router), rows in found.groupby(["policy", "router"], sort=False):
        _draw_line(attained, rows, 100 * rows["attainment_share"], policy, router)
        _draw_line(slowest, rows, rows["ttft_p99_s"].astype(float), policy, router)
    for row in found.dropna(subset=["division_replicas"]).drop_duplicates("policy").to_dict("records"):
        attained.plot([row["division_replicas"]], [100 * row["slo_share"]], **_of(row["policy"]), **DIVIDED)
    first = found.iloc[0]
    _draw_limit(attained, 100 * first["slo_share"], f"{100 * first['slo_share']:g}%")
    _draw_limit(slowest, first["slo_ttft_s"], f"{first['slo_ttft_s']:g} s, for {100 * first['slo_share']:g}%")
    _draw_axes(attained, slowest, found[["replicas", "division_replicas"]].max(axis=None))
    figure.legend(handles=_handles(found), loc="outside upper center", ncols=2 if narrow else 4)
    figure.supxlabel(text, fontsize=7.5)
    return figure


def note(found: pd.DataFrame) -> str:
    """What is served, and the limits."""
    first = found.iloc[0]
    return (
        f"n = {first['requests']:,} requests of {first['workload']}, {first['offered_per_s']:.3g} a second; "
        f"{first['pool_slots']:,} slots a replica; time of a step: {first['step_time_source']}. SLO: "
        f"{first['slo_ttft_s']:g} s to the first token and {first['slo_tpot_s']:g} s a token, for "
        f"{100 * first['slo_share']:g}% of requests."
    )


def _of(policy: str) -> dict[str, str]:
    return {"color": POLICIES.get(policy, OTHER).colour}


def _draw_line(axes: Axes, rows: pd.DataFrame, values: pd.Series, policy: str, router: str) -> None:
    marker, line = ROUTERS.get(router, ("D", "-."))
    known = values.notna()
    axes.plot(rows["replicas"][known], values[known], **_of(policy), marker=marker, ls=line, ms=4, mec="white", mew=0.4)
    chosen = known & rows["fewest"].eq(True)
    if chosen.any():
        axes.plot(rows["replicas"][chosen], values[chosen], **_of(policy), **RING)


def _draw_limit(axes: Axes, value: float, text: str) -> None:
    axes.axhline(value, color="0.4", lw=0.8, ls=(0, (1, 1)), zorder=1)
    where = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    axes.annotate(f"SLO: {text}", (0, value), (3, 2), fontsize=7, color="0.3", **where)


def _draw_axes(attained: Axes, slowest: Axes, most: float) -> None:
    attained.set_ylim(-4, 106)
    attained.set_ylabel("Requests within the SLO (%)")
    slowest.set_yscale("log")
    slowest.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    slowest.set_ylabel("Time to first token, p99 (s)")
    for axes in (attained, slowest):
        axes.set_xscale("log", base=2)
        axes.set_xlim(0.8, 1.25 * most)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("Replicas")
        axes.grid(axis="both")


def _handles(found: pd.DataFrame) -> list[Line2D]:
    shown = [Line2D([], [], lw=2.5, label=policy, **_of(policy)) for policy in found["policy"].unique()]
    for router in found["router"].unique():
        marker, line = ROUTERS.get(router, ("D", "-."))
        shown.append(Line2D([], [], color="0.35", marker=marker, ls=line, ms=4, label=router))
    if found["fewest"].eq(True).any():
        shown.append(Line2D([], [], color="0.35", **RING, label="fewest within the SLO"))
    if found["division_replicas"].notna().any():
        shown.append(Line2D([], [], color="0.35", **DIVIDED, label="Little's law"))
    return shown

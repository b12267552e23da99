"""Tables of requests that arrive over time: rates, latencies, capacity at an SLO, and the slowest requests."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from kvbench.analysis.tables.slowest import PARTS
from kvbench.figures.data.rates import is_true, too_short
from kvbench.figures.words import TIME_WORDS
from kvbench.report.cells import NONE, interval, number, spans, text, text_column, with_marks
from kvbench.workload.rates import rate_text

SATURATED, UNKNOWN, LATE = "saturated", "too short to tell", "late"
MOST_OF_A_RUN = 5  # slowest requests that a page shows of each run


def serving_view(table: pd.DataFrame) -> pd.DataFrame:
    """Latencies in seconds, time per output token in ms; a saturated point has none."""
    states = _states(table)
    view = text(
        pd.DataFrame(
            {
                "engine": table["engine"],
                "arrive (requests/s)": _rates(table),
                "repeats": table["n_repeats"],
                "state": pd.Series([", ".join(words) or None for words in states], table.index, object),
                "completed (requests/s)": interval(table, "completed_per_s"),
                "mean normalized latency (s/token)": interval(table, "normalized_s_per_token"),
                "TTFT: median (s)": interval(table, "ttft_s"),
                "TTFT: p99 (s)": table["ttft_s_p99"],
                "TPOT: median (ms)": interval(table, "tpot_s", 1e3),
                "TPOT: p99 (ms)": 1e3 * table["tpot_s_p99"],
                "within the SLO (%)": interval(table, "attainment_share", 100),
                "goodput (requests/s)": interval(table, "goodput_per_s"),
            }
        )
    )
    badge = Markup('<span class="badge open">{}</span>')
    return with_marks(view, state=[Markup(" ").join(map(badge.format, words)) or NONE for words in states])


def _rates(table: pd.DataFrame) -> pd.Series:
    """The rate that was asked for; `file` where a file says when requests arrive."""
    return text_column(table["point"].astype(str).map(rate_text))


def _states(table: pd.DataFrame) -> list[list[str]]:
    """What a reader must know of each point."""
    states = zip(is_true(table["saturated"]), too_short(table), is_true(table["late"]), strict=True)
    words = (SATURATED, UNKNOWN, LATE)
    return [[word for word, is_so in zip(words, state, strict=True) if is_so] for state in states]


def slo_capacity_view(table: pd.DataFrame) -> pd.DataFrame:
    """The largest rate with enough requests within the limits, and the rates around it."""
    bounds = [f"repeats_per_s_{part}" for part in ("ci95_low", "ci95_high", "min", "max")]
    return text(
        pd.DataFrame(
            {
                "engine": table["engine"],
                "capacity (requests/s)": spans(table, "capacity_per_s", *bounds),
                "lies": table["where"],
                "highest rate that keeps the SLO": table["highest_keeping_per_s"],
                "lowest that does not": table["lowest_failing_per_s"],
                "rates run": table["rates"],
                "repeats": table["n_repeats"],
            }
        )
    )


def slo_ratios_view(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios of capacities with both of them."""
    return text(
        pd.DataFrame(
            {
                "engine / over": text_column(table["numerator"]) + " / " + text_column(table["denominator"]),
                "repeats": table["n_repeats"],
                "capacity (requests/s)": table["numerator_per_s"],
                "over (requests/s)": table["denominator_per_s"],
                "ratio": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "interval against 1": table["verdict"],
            }
        )
    )


def slowest_view(table: pd.DataFrame) -> pd.DataFrame:
    """The first requests of each run, with the parts of their time in seconds; parts that none has are left out."""
    table = table.groupby(["engine", "point"], sort=False).head(MOST_OF_A_RUN)
    parts = {name: word for name, word in zip(PARTS, TIME_WORDS.values(), strict=True) if (table[name] > 0).any()}
    view = text(
        pd.DataFrame(
            {
                "engine": table["engine"],
                "arrive (requests/s)": _rates(table),
                "process, repeat": text_column(table["process"].map(number)) + ", " + table["repeat"].map(number),
                "request": text_column(table["request_id"]),
                "prompt (tokens)": table["prompt_tokens"],
                "output (tokens)": table["output_tokens"],
                "due at (s)": table["due_s"],
                "due to last token (s)": table["e2e_s"],
                "due to first token (s)": table["ttft_s"],
                **{f"{word} (s)": table[name] for name, word in parts.items()},
            }
        )
    )
    return with_marks(view, request=_links(table))


def _links(table: pd.DataFrame) -> list[Markup | str]:
    """Names of requests, as links where the page has a map of their run (`map_links.linked`)."""
    addresses = table["address"] if "address" in table else [""] * len(table)
    link = Markup('<a href="{}">{}</a>')
    return [link.format(at, name) if at else name for at, name in zip(addresses, table["request_id"], strict=True)]

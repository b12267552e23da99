"""Tables of comparisons: claims, targets, equal outputs, and benchmarks of kvbench itself."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kvbench.benchmarks import targets
from kvbench.benchmarks.table import SPEED
from kvbench.report.cells import labels, number, spans, text, text_column

STATEMENT = ("quotation", "source", "wording")
LATENCIES = {"ttft": "to the first token", "tpot": "per output token after it", "e2e": "to the last token"}
SYMBOLS = {"above": ">", "below": "<", "at_least": "≥", "at_most": "≤"}


def claims_view(table: pd.DataFrame) -> pd.DataFrame:
    """Claims with the measured value, the threshold and the verdict, and published values beside them."""
    pairs = zip(table["engine_median"], table["over_median"], strict=True)
    arms = [None if pd.isna(over) else f"{number(engine)} / {number(over)}" for engine, over in pairs]
    tests = text_column(table["is"].map(SYMBOLS)) + " " + text_column(table["threshold"].map(number))
    return text(
        pd.DataFrame(
            {
                "statement": [f"{q} ({s}, {w})" for q, s, w in zip(*(table[name] for name in STATEMENT), strict=True)],
                "verdict": table["verdict"],
                "measured": spans(table, "value", "value_ci95_low", "value_ci95_high", "value_min", "value_max"),
                "engine / over": arms,
                "supported if": tests,
                "tested as": table["reading"],
                "reason": table["reason"],
                "published, other systems": table["published"],
            }
        )
    )


def parity_view(table: pd.DataFrame, with_names: bool = False) -> pd.DataFrame:
    """Shares of equal outputs."""
    names = {"model": table["model"], "workload": table["workload"]} if with_names else {}
    return text(
        pd.DataFrame(
            {
                **names,
                "engine": labels(table, "engine"),
                "dtype": table["dtype"],
                "comparable": table["comparable"],
                "requests": table["requests_compared"],
                "equal (%)": table["share_equal"] * 100,
                "median common prefix (tokens)": table["median_common_prefix_tokens"],
                "gate": table["gate"],
                "near ties": table["near_ties"],
                "first difference": table["first_difference"],
            }
        )
    )


def targets_view(table: pd.DataFrame) -> pd.DataFrame:
    """Each target with its worst value and where it occurred."""
    return text(
        pd.DataFrame(
            {
                "target": table["says"],
                "wanted": text_column(table["is"].map(targets.SYMBOLS))
                + " "
                + text_column(table["threshold"].map(str)),
                "measured": table["measured"].map(_measured),
                "the worst of": table["rows"],
                "found in": table["of"],
                "verdict": table["verdict"],
            }
        )
    )


def _measured(value: Any) -> Any:
    """A number from a column that also contains words."""
    try:
        return f"{float(value):.4g}" if pd.notna(value) else value
    except ValueError:
        return value


def serving_benchmarks_view(table: pd.DataFrame) -> pd.DataFrame:
    """Latencies of vllm and of vLLM's own server, with and without recording, and their ratio."""
    table = table[table["measure"] != SPEED].reset_index(drop=True)
    return text(
        pd.DataFrame(
            {
                "ours": table["ours"],
                "beside": table["other"],
                "model, workload": text_column(table["model"]) + ", " + text_column(table["workload"]),
                "requests/s": table["requests_per_s"],
                "latency": text_column(table["measure"]).map(LATENCIES),
                "ours (ms): median / p90 / p99": _percentiles(table, "ours"),
                "beside (ms): median / p90 / p99": _percentiles(table, "other"),
                "ratio, median over passes": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "time inside the hooks (% of a step)": 100 * table["hook_share_of_step"],
            }
        )
    )


def _percentiles(table: pd.DataFrame, side: str) -> list[str]:
    columns = [1e3 * table[f"{side}_{name}_s"].astype(float) for name in ("median", "p90", "p99")]
    return [" / ".join(map(number, values)) for values in zip(*columns, strict=True)]


def benchmarks_view(table: pd.DataFrame) -> pd.DataFrame:
    """Both sides of each benchmark of kvbench itself that compares tokens per second, and their ratio."""
    table = table[table["measure"] == SPEED].reset_index(drop=True)
    return text(
        pd.DataFrame(
            {
                "ours": table["ours"],
                "beside": table["other"],
                "model, workload": text_column(table["model"]) + ", " + text_column(table["workload"]),
                "passes of each": table["passes"],
                "output tokens a pass": text_column(table["ours_output_tokens"].map(number))
                + " / "
                + text_column(table["other_output_tokens"].map(number)),
                "ours (output tokens/s)": table["ours_output_tokens_per_s"],
                "beside (output tokens/s)": table["other_output_tokens_per_s"],
                "ratio, median over passes": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "time inside the hooks (%)": 100 * table["hook_share_of_wall"],
            }
        )
    )

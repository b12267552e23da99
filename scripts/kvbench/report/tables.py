"""The report's tables: columns worth reading, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.benchmarks import targets
from kvbench.report.cells import MIB, interval, labels, mib, number, pairs, scope, spans, text
from kvbench.report.memory import devices_view, kv_waste_view, memory_view, sharing_view, sweeps_view

STATEMENT = ("quotation", "source", "wording")
SYMBOLS = {"above": ">", "below": "<", "at_least": "≥", "at_most": "≤"}


def run_settings(runs: Sequence[Run]) -> pd.DataFrame:
    """What each run was asked to do, and how long loading took."""
    rows = []
    for run in runs:
        record, capacity, timing = run.record, run.record["capacity"], _median_times(run)
        rows.append(
            {
                "model": run.model,
                "workload": run.workload,
                "engine": run.label,
                "device": record["device"],
                "GPUs": record.get("gpus"),
                "dtype": record["dtype"],
                "threads": record["threads"],
                "processes": len(run.processes),
                "temperature": run.temperature,
                "maximum length (tokens)": record["max_length"],
                "KV budget (MiB)": mib(capacity["budget_bytes"]),
                "largest pool (MiB)": mib(capacity["pool_bytes"]),
                "block (tokens)": record["block_size"],
                "import (s)": timing["import_s"],
                "load (s)": timing["load_s"],
                "compile (s)": timing["compile_s"],
                "warm-up (s)": timing["warmup_s"],
            }
        )
    return text(pd.DataFrame(rows))


def _median_times(run: Run) -> dict[str, float]:
    """Medians over the run's processes of what comes before the first repeat, in seconds."""
    return pd.DataFrame([one.record["timing"] for one in run.processes]).astype(float).median().to_dict()


def throughput_view(table: pd.DataFrame) -> pd.DataFrame:
    """Rates with their intervals; energy where a counter told."""
    energy = {
        "energy (J/output token)": interval(table, "energy_j_per_output_token"),
        "energy (J/request)": interval(table, "energy_j_per_request"),
    }
    told = table["energy_j_per_request_median"].notna().any()
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": scope(table),
                "repeats": table["n_repeats"],
                "processes": table["n_processes"],
                "output tokens/s": interval(table, "output_tokens_per_s"),
                "all tokens/s": interval(table, "total_tokens_per_s"),
                "requests/s": interval(table, "requests_per_s"),
                "wall time (s)": interval(table, "wall_s"),
                **(energy if told else {}),
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def ratios_view(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios between the absolute values that they come from."""
    return text(
        pd.DataFrame(
            {
                "engine": labels(table, "numerator"),
                "over": table["denominator"],
                "requests": scope(table),
                "engine (output tokens/s)": interval(table, "numerator_output_tokens_per_s"),
                "over (output tokens/s)": interval(table, "denominator_output_tokens_per_s"),
                "ratio": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "interval against 1": table["interval_against_1"],
            }
        )
    )


def attribution_view(table: pd.DataFrame) -> pd.DataFrame:
    """Factors between the absolute values that they come from, with the reason where there is no ratio."""
    part, factor = _texts(table["part"]), _texts(table["factor"])
    names = part.where(part == "total", part + ": " + factor)
    products = _texts(table["product"].map(number))
    notes = _texts(table["reason"]).fillna("product of the chain: " + products + ", " + _texts(table["product_is"]))
    return text(
        pd.DataFrame(
            {
                "factor": names,
                "engine / over": _texts(table["numerator"]) + " / " + _texts(table["denominator"]),
                "requests": scope(table),
                "ratio": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "engine (output tokens/s)": interval(table, "numerator_output_tokens_per_s"),
                "over (output tokens/s)": interval(table, "denominator_output_tokens_per_s"),
                "steps in which requests waited (%)": pairs(table, "steps_waiting_share", 100),
                "engine: for blocks (%)": table["numerator_steps_waiting_for_blocks_share"] * 100,
                "note": notes,
            }
        )
    )


def processes_view(table: pd.DataFrame) -> pd.DataFrame:
    """Runs in several processes: each process's median, and whether processes differ."""
    table = table[table["n_processes"] > 1]
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": table["scope"].replace("sequential", "subset"),
                "process": table["process"],
                "repeats": table["n_repeats"],
                "median (output tokens/s)": table["output_tokens_per_s_median"],
                "sd between medians": table["output_tokens_per_s_sd_between_medians"],
                "sd within": table["output_tokens_per_s_sd_within"],
                "F": table["f_between_over_within"],
                "p": table["f_p_value"],
                "interval over one of pooled repeats": table["interval_width_over_pooled"],
            }
        )
    )


def benchmarks_view(table: pd.DataFrame) -> pd.DataFrame:
    """Both sides of each benchmark of the instrument, and their ratio."""
    return text(
        pd.DataFrame(
            {
                "ours": table["ours"],
                "beside": table["other"],
                "model, workload": _texts(table["model"]) + ", " + _texts(table["workload"]),
                "passes of each": table["passes"],
                "output tokens a pass": _texts(table["ours_output_tokens"].map(number))
                + " / "
                + _texts(table["other_output_tokens"].map(number)),
                "ours (output tokens/s)": table["ours_output_tokens_per_s"],
                "beside (output tokens/s)": table["other_output_tokens_per_s"],
                "ratio, median over passes": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "time inside the hooks (%)": 100 * table["hook_share_of_wall"],
            }
        )
    )


def targets_view(table: pd.DataFrame) -> pd.DataFrame:
    """Each target with its worst value and whose that is."""
    return text(
        pd.DataFrame(
            {
                "target": table["says"],
                "wanted": _texts(table["is"].map(targets.SYMBOLS)) + " " + _texts(table["threshold"].map(str)),
                "measured": table["measured"].map(_measured),
                "the worst of": table["rows"],
                "found in": table["of"],
                "verdict": table["verdict"],
            }
        )
    )


def _texts(column: pd.Series) -> pd.Series:
    """A column of text, even where there is no row or no value."""
    return column.astype(object)


def _measured(value: Any) -> Any:
    """A number read from a column that also has words."""
    try:
        return f"{float(value):.4g}" if pd.notna(value) else value
    except ValueError:
        return value


def claims_view(table: pd.DataFrame) -> pd.DataFrame:
    """Statements with what was measured, the threshold and the verdict; published values stand beside."""
    pairs = zip(table["engine_median"], table["over_median"], strict=True)
    arms = [None if pd.isna(over) else f"{number(engine)} / {number(over)}" for engine, over in pairs]
    tests = _texts(table["is"].map(SYMBOLS)) + " " + _texts(table["threshold"].map(number))
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


def workloads_view(table: pd.DataFrame) -> pd.DataFrame:
    """Means and percentiles of lengths in tokens; of a user's file what it has and what of it was left out."""
    percentiles = {name.removesuffix("_tokens"): table[name] for name in table if name.startswith("p")}
    left_out = {
        "requests in the file": table.get("requests_in_file"),
        "left out, too long": table.get("skipped_too_long"),
        "left out, bad turns": table.get("skipped_bad_turns"),
    }
    shown = {"tokens of": table["quantity"], "n": table["n"], **left_out, "mean": table["mean_tokens"], **percentiles}
    return text(pd.DataFrame(shown))


def latency_view(table: pd.DataFrame) -> pd.DataFrame:
    """Latencies in seconds."""
    medians = ("median_s", "median_ci95_low_s", "median_ci95_high_s", "median_min_s", "median_max_s")
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": scope(table),
                "metric": table["metric"].str.replace("_", " "),
                "handed back": table["returned"],
                "samples": table["samples"],
                "median (s)": spans(table, *medians),
                "p90 (s)": table["p90_s"],
                "p99 (s)": table["p99_s"],
            }
        )
    )


def roofline_view(table: pd.DataFrame) -> pd.DataFrame:
    """Decoding steps in ms against their bound, with what they wait for."""
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": scope(table),
                "requests at once": table["running_mean_requests"],
                "decoding step (ms)": interval(table, "decode_step_s", 1e3),
                "must move (MiB)": table["must_move_bytes"] / MIB,
                "copy bandwidth (GB/s)": table["copy_bytes_per_s"] / 1e9,
                "bound (ms)": 1e3 * table["bound_s"],
                "of the bound (%)": 100 * table["fraction_of_bound"],
                "GPU busy (%)": 100 * table["gpu_busy_share"],
                "CPU busy (%)": 100 * table["cpu_busy_share"],
                "waits for": table["limited_by"],
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


VIEWS = {
    "throughput": throughput_view,
    "processes": processes_view,
    "ratios": ratios_view,
    "attribution": attribution_view,
    "roofline": roofline_view,
    "claims": claims_view,
    "workloads": workloads_view,
    "latency": latency_view,
    "kv_waste": kv_waste_view,
    "memory": memory_view,
    "devices": devices_view,
    "sharing": sharing_view,
    "sweeps": sweeps_view,
    "parity": parity_view,
}

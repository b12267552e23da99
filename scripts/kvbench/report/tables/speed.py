"""Tables of speed: rates, ratios and their causes, upkeep of block tables, latencies, decode steps and their bound."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kvbench.analysis.tables.hosts import SAME
from kvbench.report.cells import MIB, interval, labels, number, pairs, scope, span, spans, text, text_column


def throughput_view(table: pd.DataFrame) -> pd.DataFrame:
    """Rates with their intervals; energy if there was a counter."""
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


def ratios_view(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios, each between its two absolute values; where hosts differ, which are of one host."""
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
                **_places(table),
            }
        )
    )


def _places(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns `same host` and `same GPUs` where they differ in a row; older tables may have neither."""
    found = {name.replace("_", " ").replace("gpus", "GPUs"): table[name] for name in SAME if name in table}
    return {name: same.map({True: "yes", False: "no"}) for name, same in found.items() if same.eq(False).any()}


def attribution_view(table: pd.DataFrame) -> pd.DataFrame:
    """Factors, each between its two absolute values, with the reason if there is no ratio."""
    part, factor = text_column(table["part"]), text_column(table["factor"])
    names = part.where(part == "total", part + ": " + factor)
    products = text_column(table["product"].map(number))
    notes = text_column(table["reason"]).fillna(
        "product of the chain: " + products + ", " + text_column(table["product_is"])
    )
    return text(
        pd.DataFrame(
            {
                "factor": names,
                "engine / over": text_column(table["numerator"]) + " / " + text_column(table["denominator"]),
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


def upkeep_view(table: pd.DataFrame) -> pd.DataFrame:
    """Upkeep of block tables by running requests: shares in percent, a step in ms, its parts in µs."""
    steps = zip(*(1e3 * table[f"step_s_{part}"] for part in ("median", "q1", "q3")), strict=True)
    steps = [span(middle, np.nan, np.nan, low, high) for middle, low, high in steps]
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "block size": table["block_size"],
                "running requests": text_column(table["running_requests"].astype(str)),
                "steps": table["steps"],
                "step: median (quartiles) in ms": text_column(pd.Series(steps, table.index)),
                "blocks (% of step)": 100 * table["allocate_share_of_step"],
                "tables (% of step)": 100 * table["tables_share_of_step"],
                "both (% of step)": 100 * table["upkeep_share_of_step"],
                "blocks (µs)": 1e6 * table["allocate_s_median"],
                "tables (µs)": 1e6 * table["tables_s_median"],
                "blocks (µs a request)": 1e6 * table["allocate_s_per_request_median"],
                "tables (µs a request)": 1e6 * table["tables_s_per_request_median"],
            }
        )
    )


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
    """Decode steps in ms compared with their bound, and what limits them."""
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

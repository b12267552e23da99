"""The report's tables: columns worth reading, numbers as text, medians with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from kvbench.results import Run, run_label
from kvbench.tables.memory import UNATTRIBUTED, part_key, part_name

MIB = 2**20
NONE = "–"
SYMBOLS = {"above": ">", "below": "<", "at_least": "≥", "at_most": "≤"}
WRAPPED = 30  # characters from which a cell's text breaks into lines


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
                "KV budget (MiB)": _mib(capacity["budget_bytes"]),
                "largest pool (MiB)": _mib(capacity["pool_bytes"]),
                "block (tokens)": record["block_size"],
                "import (s)": timing["import_s"],
                "load (s)": timing["load_s"],
                "compile (s)": timing["compile_s"],
                "warm-up (s)": timing["warmup_s"],
            }
        )
    return _text(pd.DataFrame(rows))


def _median_times(run: Run) -> dict[str, float]:
    """Medians over the run's processes of what comes before the first repeat, in seconds."""
    return pd.DataFrame([one.record["timing"] for one in run.processes]).astype(float).median().to_dict()


def throughput_view(table: pd.DataFrame) -> pd.DataFrame:
    """Rates with their intervals."""
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": _scope(table),
                "repeats": table["n_repeats"],
                "processes": table["n_processes"],
                "output tokens/s": _interval(table, "output_tokens_per_s"),
                "all tokens/s": _interval(table, "total_tokens_per_s"),
                "requests/s": _interval(table, "requests_per_s"),
                "wall time (s)": _interval(table, "wall_s"),
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def ratios_view(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios between the absolute values that they come from."""
    return _text(
        pd.DataFrame(
            {
                "engine": _labels(table, "numerator"),
                "over": table["denominator"],
                "requests": _scope(table),
                "engine (output tokens/s)": _interval(table, "numerator_output_tokens_per_s"),
                "over (output tokens/s)": _interval(table, "denominator_output_tokens_per_s"),
                "ratio": _spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "interval against 1": table["interval_against_1"],
            }
        )
    )


def attribution_view(table: pd.DataFrame) -> pd.DataFrame:
    """Factors between the absolute values that they come from, with the reason where there is no ratio."""
    names = table["part"].where(table["part"] == "total", table["part"] + ": " + table["factor"])
    products = table["product"].astype(object).map(number)  # text even where there is no row
    notes = table["reason"].fillna("product of the chain: " + products + ", " + table["product_is"])
    return _text(
        pd.DataFrame(
            {
                "factor": names,
                "engine / over": table["numerator"] + " / " + table["denominator"],
                "requests": _scope(table),
                "ratio": _spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "engine (output tokens/s)": _interval(table, "numerator_output_tokens_per_s"),
                "over (output tokens/s)": _interval(table, "denominator_output_tokens_per_s"),
                "steps in which requests waited (%)": _pairs(table, "steps_waiting_share", 100),
                "engine: for blocks (%)": table["numerator_steps_waiting_for_blocks_share"] * 100,
                "note": notes,
            }
        )
    )


def processes_view(table: pd.DataFrame) -> pd.DataFrame:
    """Runs in several processes: each process's median, and whether processes differ."""
    table = table[table["n_processes"] > 1]
    return _text(
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
    return _text(
        pd.DataFrame(
            {
                "ours": table["ours"],
                "beside": table["other"],
                "model, workload": table["model"] + ", " + table["workload"],
                "passes of each": table["passes"],
                "output tokens a pass": table["ours_output_tokens"].map(number)
                + " / "
                + table["other_output_tokens"].map(number),
                "ours (output tokens/s)": table["ours_output_tokens_per_s"],
                "beside (output tokens/s)": table["other_output_tokens_per_s"],
                "ratio, median over passes": _spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "time inside the hooks (%)": 100 * table["hook_share_of_wall"],
            }
        )
    )


def targets_view(table: pd.DataFrame) -> pd.DataFrame:
    """Each target with its worst value and whose that is."""
    return _text(
        pd.DataFrame(
            {
                "target": table["says"],
                "wanted": table["is"].map({**SYMBOLS, "equals": "="}) + " " + table["threshold"].map(str),
                "measured": table["measured"].map(_measured),
                "the worst of": table["rows"],
                "found in": table["of"],
                "verdict": table["verdict"],
            }
        )
    )


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
    tests = table["is"].map(SYMBOLS) + " " + table["threshold"].map(number)
    return _text(
        pd.DataFrame(
            {
                "statement": table["quotation"] + " (" + table["source"] + ", " + table["wording"] + ")",
                "verdict": table["verdict"],
                "measured": _spans(table, "value", "value_ci95_low", "value_ci95_high", "value_min", "value_max"),
                "engine / over": arms,
                "supported if": tests,
                "tested as": table["reading"],
                "reason": table["reason"],
                "published, other systems": table["published"],
            }
        )
    )


def workloads_view(table: pd.DataFrame) -> pd.DataFrame:
    """Means and percentiles of lengths in tokens."""
    percentiles = {name.removesuffix("_tokens"): table[name] for name in table if name.startswith("p")}
    return _text(
        pd.DataFrame({"tokens of": table["quantity"], "n": table["n"], "mean": table["mean_tokens"], **percentiles})
    )


def latency_view(table: pd.DataFrame) -> pd.DataFrame:
    """Latencies in seconds."""
    medians = ("median_s", "median_ci95_low_s", "median_ci95_high_s", "median_min_s", "median_max_s")
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": _scope(table),
                "metric": table["metric"].str.replace("_", " "),
                "handed back": table["returned"],
                "samples": table["samples"],
                "median (s)": _spans(table, *medians),
                "p90 (s)": table["p90_s"],
                "p99 (s)": table["p99_s"],
            }
        )
    )


def kv_waste_view(table: pd.DataFrame) -> pd.DataFrame:
    """Shares in percent."""
    shares = [name for name in table if name.endswith("_share_of_allocated")]
    columns = {name.removesuffix("_share_of_allocated") + " (%)": table[name] * 100 for name in shares}
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": table["scope"].replace("sequential", "subset"),
                "steps": table["steps"],
                **columns,
                "live of allocated and external (%)": table["live_share_of_allocated_and_external"] * 100,
                "mean allocated (MiB)": table["allocated_mean_bytes"] / MIB,
                "peak allocated (MiB)": table["allocated_peak_bytes"] / MIB,
                "unused pool (% of pool)": table["unused_pool_share_of_pool"] * 100,
                "steps in which requests waited (%)": table["steps_with_waiting_share"] * 100,
            }
        )
    )


def memory_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row an engine, a column a part, in MiB."""
    sizes = table.pivot_table(index="label", columns="part", values="bytes", sort=False, dropna=False, aggfunc="first")
    parts = sorted(set(sizes) - {UNATTRIBUTED}, key=part_key)
    totals = table.groupby("label", sort=False)["process_bytes"].first()
    rest = sizes[UNATTRIBUTED] / totals * 100
    wide = (sizes[[*parts, UNATTRIBUTED]].astype(float) / MIB).rename(columns=lambda name: f"{part_name(name)} (MiB)")
    wide = wide.assign(**{"process (MiB)": totals / MIB, "unattributed (%)": rest})
    return _text(wide.loc[totals.index].reset_index(names="engine"))


def roofline_view(table: pd.DataFrame) -> pd.DataFrame:
    """Decoding steps in ms against their bound, with what they wait for."""
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": _scope(table),
                "requests at once": table["running_mean_requests"],
                "decoding step (ms)": _interval(table, "decode_step_s", 1e3),
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


def devices_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row an engine and GPU, peaks in MiB."""
    peaks = {"process at its peak": "process_peak_bytes", "device at its peak": "device_used_peak_bytes"}
    sizes = {f"{name} (MiB)": table[column].astype(float) / MIB for name, column in peaks.items()}
    total = {"device has (MiB)": table["device_total_bytes"].astype(float) / MIB}
    return _text(
        pd.DataFrame(
            {"engine": table["label"], "GPU": table["gpu"], **sizes, **total, "mean power (W)": table["power_mean_w"]}
        )
    )


def sharing_view(table: pd.DataFrame) -> pd.DataFrame:
    """What sharing saves, beside both points' speed."""
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": table["requests"],
                "blocks saved (%)": _interval(table, "saved_share", 100),
                "most in a step (%)": table["saved_largest_share_median"] * 100,
                "prompt tokens found (%)": table["prefix_hit_share_of_prompts_median"] * 100,
                "sharing (output tokens/s)": _interval(table, "shared_output_tokens_per_s"),
                "not sharing (output tokens/s)": _interval(table, "unshared_output_tokens_per_s"),
                "ratio": _spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "interval against 1": table["interval_against_1"],
                "running, sharing": table["shared_running_mean_requests_median"],
                "running, not sharing": table["unshared_running_mean_requests_median"],
                "equal outputs (%)": table["equal_outputs_share"] * 100,
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def sweeps_view(table: pd.DataFrame) -> pd.DataFrame:
    """Points of sweeps, with what the replay of each says beside."""
    return _text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "block (tokens)": table["block_size"],
                "pool (slots)": table["pool_slots"],
                "n": table["n_repeats"],
                "output tokens/s": _interval(table, "output_tokens_per_s"),
                "live (% of allocated)": _interval(table, "live_share_of_allocated", 100),
                "preemptions a request": _interval(table, "preemptions_per_request"),
                "computed again (%)": _interval(table, "recomputed_share_of_computed", 100),
                "replay: live (%)": table["replay_live_share_of_allocated"] * 100,
                "replay: preemptions a request": table["replay_preemptions_per_request"],
                "replay: computed again (%)": table["replay_recomputed_share_of_computed"] * 100,
                "difference in steps": table["difference_steps"],
                "in blocks over all steps": table["difference_block_steps"],
                "in preemptions": table["difference_preemptions"],
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def parity_view(table: pd.DataFrame, with_names: bool = False) -> pd.DataFrame:
    """Shares of equal outputs."""
    names = {"model": table["model"], "workload": table["workload"]} if with_names else {}
    return _text(
        pd.DataFrame(
            {
                **names,
                "engine": _labels(table, "engine"),
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


def to_html(table: pd.DataFrame) -> Markup:
    """An HTML table of a frame of text."""
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in table.columns)
    rows = (Markup("<tr>{}</tr>").format(Markup("").join(map(_cell, row))) for row in table.itertuples(index=False))
    body = Markup("\n").join(rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def number(value: Any) -> str:
    """Three significant digits, whole numbers in full; a dash where there is no value."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return NONE
    if isinstance(value, str):
        return value
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def _cell(text: str) -> Markup:
    kind = ' class="t"' if len(text) > WRAPPED else ' class="n"' if text[:1].isdigit() or text == NONE else ""
    return Markup("<td{}>{}</td>").format(Markup(kind), escape(text))


def _text(table: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text; columns without any value are left out."""
    known = [name for name in table if table.empty or table[name].notna().any()]
    return table[known].astype(object).map(number)


def _interval(table: pd.DataFrame, name: str, factor: float = 1) -> pd.Series:
    names = [f"{name}_{part}" for part in ("median", "ci95_low", "ci95_high", "min", "max")]
    return _spans(table.assign(**{one: table[one] * factor for one in names}), *names)


def _spans(table: pd.DataFrame, *names: str) -> pd.Series:
    """`span` of each row; `names` are the columns of its values."""
    spans = [span(*values) for values in zip(*(table[name] for name in names), strict=True)]
    return pd.Series(spans, index=table.index, dtype=object)


def span(middle: float, low: float, high: float, least: float | None = None, most: float | None = None) -> str:
    """`median [low, high]`; without an interval `median (least to most)`, or the median alone where all are equal."""
    if pd.notna(low):
        return f"{number(middle)} [{number(low)}, {number(high)}]"
    if pd.isna(least) or least == most:
        return number(middle)
    return f"{number(middle)} ({number(least)} to {number(most)})"


def _scope(table: pd.DataFrame) -> pd.Series:
    words = {"all": "all", "sequential": "subset"}
    pairs = zip(table["scope"], table["requests"], strict=True)
    return pd.Series(
        [NONE if pd.isna(n) else f"{number(n)} ({words[scope]})" for scope, n in pairs], index=table.index, dtype=object
    )


def _pairs(table: pd.DataFrame, name: str, factor: float) -> pd.Series:
    """`numerator / denominator` of a column that both arms have."""
    pairs = zip(table[f"numerator_{name}"] * factor, table[f"denominator_{name}"] * factor, strict=True)
    texts = [NONE if pd.isna(above) else f"{number(above)} / {number(below)}" for above, below in pairs]
    return pd.Series(texts, index=table.index, dtype=object)


def _labels(table: pd.DataFrame, column: str) -> list[str]:
    return [run_label(engine, point) for engine, point in zip(table[column], table["point"], strict=True)]


def _mib(size: int | None) -> float | None:
    return None if size is None else size / MIB

"""Tables of memory: slots, processes, devices, prefix sharing and sweeps."""

from __future__ import annotations

import pandas as pd

from kvbench.analysis.tables.memory import UNATTRIBUTED, part_key, part_name
from kvbench.figures.words import use_text
from kvbench.records import SPLIT
from kvbench.report.cells import MIB, interval, spans, text


def kv_waste_view(table: pd.DataFrame) -> pd.DataFrame:
    """Shares in percent."""
    shares = [name for name in table if name.endswith("_share_of_allocated")]
    columns = {
        name.removesuffix("_share_of_allocated").replace("_", " ") + " (%)": table[name] * 100 for name in shares
    }
    return text(
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


def kv_groups_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row per engine and KV group, shares in percent of what the group's layers hold."""
    columns = {use_text(name) + " (%)": table[f"{name}_share_of_allocated"] * 100 for name in SPLIT}
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "layers": table["layers"].astype(str) + " " + table["kind"],
                "window (tokens)": table["window_tokens"],
                "a token (bytes)": table["token_bytes"],
                "mean allocated (MiB)": table["allocated_mean_bytes"] / MIB,
                "of all groups (%)": table["share_of_allocated_of_all_groups"] * 100,
                **columns,
            }
        )
    )


def memory_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row per engine, a column per part, in MiB."""
    sizes = table.pivot_table(index="label", columns="part", values="bytes", sort=False, dropna=False, aggfunc="first")
    parts = sorted(set(sizes) - {UNATTRIBUTED}, key=part_key)
    sizes = sizes.reindex(columns=[*parts, UNATTRIBUTED])
    totals = table.groupby("label", sort=False)["process_bytes"].first()
    rest = sizes[UNATTRIBUTED].astype(float) / totals * 100
    wide = (sizes.astype(float) / MIB).rename(columns=lambda name: f"{part_name(name)} (MiB)")
    wide = wide.assign(**{"process (MiB)": totals / MIB, "unattributed (%)": rest})
    return text(wide.loc[totals.index].reset_index(names="engine"))


def devices_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row per engine and GPU, peaks in MiB."""
    peaks = {"process at its peak": "process_peak_bytes", "device at its peak": "device_used_peak_bytes"}
    sizes = {f"{name} (MiB)": table[column].astype(float) / MIB for name, column in peaks.items()}
    total = {"device has (MiB)": table["device_total_bytes"].astype(float) / MIB}
    return text(
        pd.DataFrame(
            {"engine": table["label"], "GPU": table["gpu"], **sizes, **total, "mean power (W)": table["power_mean_w"]}
        )
    )


def sharing_view(table: pd.DataFrame) -> pd.DataFrame:
    """What sharing saves, and the speed of both points."""
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "requests": table["requests"],
                "blocks saved (%)": interval(table, "saved_share", 100),
                "most in a step (%)": table["saved_largest_share_median"] * 100,
                "prompt tokens found (%)": table["prefix_hit_share_of_prompts_median"] * 100,
                "sharing (output tokens/s)": interval(table, "shared_output_tokens_per_s"),
                "not sharing (output tokens/s)": interval(table, "unshared_output_tokens_per_s"),
                "ratio": spans(table, "ratio", "ratio_ci95_low", "ratio_ci95_high"),
                "interval against 1": table["interval_against_1"],
                "running, sharing": table["shared_running_mean_requests_median"],
                "running, not sharing": table["unshared_running_mean_requests_median"],
                "equal outputs (%)": table["equal_outputs_share"] * 100,
                "disturbed repeats": table["disturbed_repeats"],
            }
        )
    )


def planned_view(table: pd.DataFrame) -> pd.DataFrame:
    """Blocks, tokens and concurrency, each planned and as vLLM logged it."""
    sides = ("planned", "logged")
    blocks = {f"blocks, {side}": table[f"blocks_{side}"] for side in sides}
    tokens = {f"KV cache, {side} (tokens)": table[f"kv_tokens_{side}"] for side in sides}
    most = {f"maximum concurrency, {side}": table[f"max_concurrency_{side}"] for side in sides}
    known = {"engine": table["label"], "layers": table["groups"], "block (tokens)": table["block_size"]}
    equal = table["equal"].map({True: "yes", False: "no"})
    return text(pd.DataFrame(known | blocks | tokens | most | {"equal": equal, "reason": table["reason"]}))


def sweeps_view(table: pd.DataFrame) -> pd.DataFrame:
    """Points of sweeps, each with the values of its replay."""
    return text(
        pd.DataFrame(
            {
                "engine": table["label"],
                "block (tokens)": table["block_size"],
                "pool (slots)": table["pool_slots"],
                "n": table["n_repeats"],
                "output tokens/s": interval(table, "output_tokens_per_s"),
                "live (% of allocated)": interval(table, "live_share_of_allocated", 100),
                "preemptions a request": interval(table, "preemptions_per_request"),
                "computed again (%)": interval(table, "recomputed_share_of_computed", 100),
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

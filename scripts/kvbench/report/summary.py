"""The sentences of the report's first page; each is made from a row of results/tables, if there is such a row."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from kvbench.analysis.slo_capacity import BRACKETED
from kvbench.analysis.statistics import PARTS
from kvbench.analysis.tables.hosts import SAME, apart
from kvbench.report import rate_answer
from kvbench.report.cells import span

Tables = Mapping[str, pd.DataFrame]
SHARES = {"reserved": "reserved for later tokens", "internal": "in space that is never filled"} | {
    "padding": "padding",
    "finished": "held for requests that had ended",
}
SLOTS_OF = ("hf-batch", "hf-static", "hf-continuous", "vllm")


def sentences(tables: Tables, model: str, workload: str) -> list[str]:
    """The sentences for a model and workload. For point `base`: speed, causes, batches that did not fit, slots,
    requests at once and equal text; for rates, the largest within the limits, and what replays say of it; for a sweep
    of prefix_sharing, the effect of sharing; for sweeps of block size and budget, the first and the last point.
    """
    found = {name: _of(table, model, workload, swept=name == "sweeps") for name, table in tables.items()}
    parts = (_speed, _causes, _memory, _steps, _slots, _at_once, _equal, _rates, _go_on, _sharing, _sweeps, _replayed)
    return [sentence for part in parts for sentence in part(found)]


def _of(table: pd.DataFrame, model: str, workload: str, *, swept: bool) -> pd.DataFrame:
    rows = table[(table["model"] == model) & (table["workload"] == workload)]
    return rows if swept or "point" not in rows else rows[rows["point"] == "base"]


def _speed(tables: Tables) -> list[str]:
    """vllm over the two Transformers engines, with absolute values."""
    ratios = tables["ratios"]
    wanted = [("hf-batch", "all"), ("hf-sequential", "sequential"), ("hf-sequential", "all")]
    return [
        f"vllm made {_ratio(row)} times the output tokens per second of {row['denominator']}: "
        f"{_speeds(row)}, on the same {_count(row['requests'], 'request')}{_apart(row)}."
        for denominator, scope in wanted
        for _, row in _where(ratios, numerator="vllm", denominator=denominator, scope=scope).iterrows()
    ]


def _apart(row: pd.Series) -> str:
    """That a ratio is of two hosts or GPUs, if it is known to be; tables of earlier versions do not know."""
    note = apart({name: bool(row[name]) if pd.notna(row.get(name)) else None for name in SAME})
    return f"; {note}" if note else ""


def _rates(tables: Tables) -> list[str]:
    """The largest rate within the limits of vllm, over those of other engines, or those of the others if its is not
    known; and of engines whose rates do not enclose it, the bound.
    """
    if "slo_capacity" not in tables or tables["slo_capacity"].empty:  # tables of earlier versions have none
        return []
    table = tables["slo_capacity"]
    first, known = table.iloc[0], {row["engine"]: row for _, row in table[table["where"] == BRACKETED].iterrows()}
    limits = f"a first token within {first['slo_ttft_s']:g} s and {first['slo_tpot_s']:g} s a token after it"
    lines = []
    names = ["vllm"] if "vllm" in known else list(known)
    for name in names:
        others = [
            f"{_times(tables, known[name], row)} times {rate_answer.text(row)} of {other}"
            for other, row in known.items()
            if other not in names
        ]
        beside = f", {', '.join(others)}" if others else ""
        begins = f"With requests arriving over time, {name} gave {first['slo_share']:.0%} of them {limits}"
        lines.append(f"{begins} at up to {rate_answer.text(known[name])} requests/s{beside}.")
    bounds = [f"{row['engine']} {rate_answer.text(row)}" for _, row in table[table["where"] != BRACKETED].iterrows()]
    if bounds:
        begins = f"The largest rate at which {first['slo_share']:.0%} of the requests have {limits}"
        lines.append(f"{begins} lies outside the rates that were run: {', '.join(bounds)} requests/s.")
    return lines


def _times(tables: Tables, above: pd.Series, below: pd.Series) -> str:
    """One engine's capacity over another's, with its interval if every repeat of both has a capacity."""
    if "slo_ratios" in tables:
        own = _where(tables["slo_ratios"], numerator=above["engine"], denominator=below["engine"])
        for _, row in own.dropna(subset=["ratio"]).iterrows():
            return _ratio(row)
    return f"{above['capacity_per_s'] / below['capacity_per_s']:.3g}"


def _go_on(tables: Tables) -> list[str]:
    """The rate that replays of longer arrivals predict for vllm, and over other engines, if every pattern has one."""
    if "predicted_capacity" not in tables:  # tables of earlier versions have none
        return []
    table = tables["predicted_capacity"]
    own = _where(table, engine="vllm").dropna(subset=["patterns_per_s_median"])
    others = [
        f"{_over_patterns(row, 'vllm_ratio')} times {row['engine']}"
        for _, row in table.dropna(subset=["vllm_ratio_median"]).iterrows()
    ]
    return [
        f"Replays of {row['requests']:,.0f} requests with the fitted step times keep the limits up to "
        f"{_over_patterns(row, 'patterns_per_s')} requests/s with vllm{': ' if others else ''}{', '.join(others)}."
        for _, row in own.iterrows()
    ]


def _over_patterns(row: pd.Series, name: str) -> str:
    return span(*(row[f"{name}_{part}"] for part in PARTS))


def _causes(tables: Tables) -> list[str]:
    """The measurable factors of the chain, then the capacity and the price of paging on all requests."""
    table = tables["attribution"]
    lines = _chain(table)
    for _, row in _where(table, numerator="vllm", denominator="vllm-reserved", scope="all").iterrows():
        waited = row["numerator_steps_waiting_for_blocks_share"]
        detail = f"; requests waited for blocks in {waited:.0%} of vllm's steps" if pd.notna(waited) else ""
        lines.append(_paging("Capacity", row, detail))
    price = _where(table, numerator="vllm-reserved", denominator="vllm-contiguous", scope="all")
    for _, row in price[price["measurable"] != "not run"].iterrows():
        where = row["interval_against_1"]
        detail = f"; the interval {'' if where == 'includes 1' else 'is '}{where}" if pd.notna(where) else ""
        lines.append(_paging("Price", row, detail))
    return lines


def _chain(table: pd.DataFrame) -> list[str]:
    """The factors from hf-sequential to vllm, what limits them, and those without a number."""
    chain = table[(table["part"] == "chain") & table["ratio"].notna()]
    if chain.empty or _where(table, part="total")["ratio"].isna().all():
        return []
    parts = ["; ".join(f"{row['factor']} × {_ratio(row)}" for _, row in chain.iterrows())]
    parts += [f"{', '.join(rows['factor'])}: {reason}" for reason, rows in chain.groupby("reason", sort=False)]
    parts += [
        f"{row['factor']} has no number on these requests: {row['reason']}"
        for _, row in _where(table, part="chain", measurable="not measurable here").iterrows()
    ]
    return [f"Of vllm over hf-sequential, on the requests that both served: {'; '.join(parts)}."]


def _paging(side: str, row: pd.Series, detail: str) -> str:
    """The capacity or the price of paging as measured, with both speeds, or why it has no number."""
    if pd.isna(row["ratio"]):
        speeds = f" ({_speeds(row)} output tokens per second)" if pd.notna(row["requests"]) else ""
        return f"{side} of paging has no number here{speeds}: {row['reason']}."
    note = f"; {row['reason']}" if pd.notna(row["reason"]) else ""
    return (
        f"{side} of paging, {row['numerator']} over {row['denominator']} on all requests: {_ratio(row)} times the "
        f"output tokens per second ({_speeds(row)}){detail}{note}."
    )


def _memory(tables: Tables) -> list[str]:
    """The largest batch of each engine that ran out of memory."""
    rows = _where(tables["throughput"], scope="all").dropna(subset="out_of_memory_rows")
    return [
        f"{row['engine']} ran out of the device's memory with a batch of {row['out_of_memory_rows']:.0f} requests, "
        f"which the KV budget allows; {row['largest_batch_rows']:.0f} fit."
        for _, row in rows.iterrows()
    ]


def _steps(tables: Tables) -> list[str]:
    """What limits decode steps, if known: a sentence for engines limited by the host, then one for those by memory."""
    table = tables["roofline"]
    rows = table[table["scope"] == "all"]
    host = [
        f"{row['engine']} ({_step_ms(row)}, and for {1 - row['gpu_busy_share']:.0%} of the time no kernel)"
        for _, row in _where(rows, limited_by="host").iterrows()
    ]
    memory = [
        f"{row['engine']}: {_step_ms(row)}, which reads weights and live slots at {row['fraction_of_bound']:.0%} of "
        "the measured copy bandwidth."
        for _, row in _where(rows, limited_by="memory bandwidth").iterrows()
    ]
    pace = "The host, which schedules steps and launches kernels, sets the pace, and not the cache, of"
    return ([f"{pace} {', '.join(host)}."] if host else []) + memory


def _step_ms(row: pd.Series) -> str:
    return f"{1e3 * row['decode_step_s_median']:.3g} ms a decoding step"


def _slots(tables: Tables) -> list[str]:
    """The share of allocated slots that each cache filled, and the largest part of the rest."""
    lines = []
    for engine in SLOTS_OF:
        for _, row in _where(tables["kv_waste"], engine=engine).iterrows():
            rest = {name: row[f"{name}_share_of_allocated"] for name in SHARES}
            most = max(rest, key=rest.__getitem__)
            live = f"{row['live_share_of_allocated']:.1%} of the allocated slots held a token of a running request"
            other = f"; most of the rest was {SHARES[most]} ({rest[most]:.1%})" if rest[most] > 0 else ""
            lines.append(f"{engine}: {live}{other}.")
    return lines


def _at_once(tables: Tables) -> list[str]:
    """Requests running at once, with paging and with reservations."""
    repeats = tables["repeats"]
    medians = repeats[repeats["scope"] == "all"].groupby("engine")["running_mean_requests"].median()
    if not {"vllm", "vllm-reserved"} <= set(medians.index):
        return []
    return [
        f"Under the same KV budget {medians['vllm']:.3g} requests were in progress at once with paging, "
        f"{medians['vllm-reserved']:.3g} with room reserved for the maximum length of each (means over steps)."
    ]


def _equal(tables: Tables) -> list[str]:
    """The share of vllm's outputs that equal those of hf-batch."""
    rows = _where(tables["parity"], engine="vllm", comparable="yes")
    return [
        f"vllm and hf-batch returned the same tokens for {row['share_equal']:.0%} of "
        f"{_count(row['requests_compared'], 'request')}."
        for _, row in rows.iterrows()
    ]


def _sharing(tables: Tables) -> list[str]:
    """What each engine saved by sharing blocks, and its speed relative to no sharing."""
    return [
        f"With blocks shared, {row['engine']} held {row['saved_share_median']:.1%} fewer of them than its requests "
        f"would have held alone, and made {_ratio(row)} times the output tokens per second: "
        f"{row['shared_output_tokens_per_s_median']:,.4g} against {row['unshared_output_tokens_per_s_median']:,.4g}, "
        f"on the same {_count(row['requests'], 'request')}."
        for _, row in tables["sharing"].iterrows()
    ]


def _sweeps(tables: Tables) -> list[str]:
    """How full blocks were, the recomputed tokens of a small pool, and the speed of each engine, at both ends."""
    kinds = (("block_size", "block size", _block_size), ("kv_budget_mib", "KV budget", _budget))
    return [
        f"{engine}, by {words}: {describe(first)}; {describe(last)}."
        for sweep, words, describe in kinds
        for engine, first, last in _ends(tables["sweeps"], sweep)
    ]


def _block_size(row: pd.Series) -> str:
    return (
        f"with {row['block_size']:.0f} tokens a block {row['live_share_of_allocated_median']:.1%} of the allocated "
        f"slots held a token, at {row['output_tokens_per_s_median']:,.4g} output tokens per second"
    )


def _budget(row: pd.Series) -> str:
    return (
        f"in {row['pool_slots']:,.0f} slots {row['preemptions_per_request_median']:.3g} preemptions a request, "
        f"{row['recomputed_share_of_computed_median']:.1%} of the computed tokens computed before, "
        f"{row['output_tokens_per_s_median']:,.4g} output tokens per second"
    )


def _ends(table: pd.DataFrame, sweep: str) -> list[tuple[str, pd.Series, pd.Series]]:
    """Each engine's first and last point of a sweep."""
    groups = _where(table, sweep=sweep).groupby("engine", sort=False)
    return [(engine, rows.iloc[0], rows.iloc[-1]) for engine, rows in groups]


def _replayed(tables: Tables) -> list[str]:
    """The number of points of sweeps at which the replay equals the live engine."""
    known = tables["sweeps"].dropna(subset="equals_replay")
    equal = (known["equals_replay"] == "yes").sum()
    return [
        "A replay of the same requests has exactly the live engine's steps, blocks, tokens computed and preemptions at "
        f"{equal} of {_count(len(known), 'swept point')}."
    ] * bool(len(known))


def _where(table: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def _speeds(row: pd.Series) -> str:
    """Both medians of a ratio of speeds."""
    numerator, denominator = (row[f"{side}_output_tokens_per_s_median"] for side in ("numerator", "denominator"))
    return f"{numerator:,.4g} against {denominator:,.4g}"


def _ratio(row: pd.Series) -> str:
    """A ratio, with its interval if there is one."""
    low, high = row["ratio_ci95_low"], row["ratio_ci95_high"]
    return f"{row['ratio']:.3g}" + (f" [{low:.3g}, {high:.3g}]" if pd.notna(low) else "")


def _count(number: float, noun: str) -> str:
    return f"{number:.0f} {noun}{'s' * (number != 1)}"

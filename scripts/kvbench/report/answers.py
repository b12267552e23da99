"""The first screen's numbers: rows picked from the tables for one model and workload, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kvbench.analysis.statistics import PARTS
from kvbench.analysis.tables.attribution import CAPACITY, PRICE
from kvbench.report import dtype_answer, rate_answer
from kvbench.report.cells import number, span
from kvbench.report.tables.held import AT_ONCE, LIVE
from kvbench.workload.rates import is_rate

Tables = Mapping[str, pd.DataFrame]
PAGED = "vllm"
# The contiguous partner: the first that ran. vllm-reserved admits as if rows were reserved, but stores blocks.
CONTIGUOUS = ("vllm-contiguous", "hf-static", "hf-batch")
RESERVING = ("vllm-contiguous", "vllm-reserved", "hf-static", "hf-batch")
FEW = "Too few repeats for an interval."
NO_BASE = "no engine ran outside sweeps."
RATES = "Of output tokens per second."
ALONE = "No contiguous engine ran beside it."
SUMS = {AT_ONCE: "Mean over all steps.", LIVE: "Summed over all steps."}


@dataclass(frozen=True)
class Number:
    """A measured number as the tables show it; `share` is its length in a pair of bars, from 0 to 1."""

    name: str
    text: str
    share: float | None = None

    @property
    def middle(self) -> str:
        return self.text.partition(" ")[0]

    @property
    def around(self) -> str:
        """The interval or the range, if there is one."""
        return self.text.partition(" ")[2]


@dataclass(frozen=True)
class Answer:
    """One number of the first screen, the part of the page with its evidence, and what else the table says of it."""

    key: str
    title: str
    unit: str  # follows each number
    evidence: str
    numbers: list[Number]
    note: str = ""
    missing: str = ""  # why there is no number


def chosen(tables: Tables, pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """The model and workload of the first screen: the first in which memory binds, with an interval if any has one.

    Where it binds in none, one in which engines were compared, if there is any; of these the one with most steps that
    waited.
    """
    if not pairs:
        return None
    return max(pairs, key=lambda pair: _binding(of(tables["attribution"], *pair)))  # the first of equals


def _binding(rows: pd.DataFrame) -> tuple[int, bool, float]:
    """Larger where capacity of paging has a ratio with an interval, then where it has one without, then where it has a
    row, then where any factor has a ratio, then where more of vllm's steps waited for blocks.
    """
    compared = bool(rows["ratio"].notna().any())
    rows = rows[rows["factor"] == CAPACITY]
    known = rows[["requests", "ratio", "ratio_ci95_low"]].notna().any()
    waited = rows["numerator_steps_waiting_for_blocks_share"].astype(float).max()
    return int(known.sum()), compared, 0 if pd.isna(waited) else waited


def answers(tables: Tables, held: pd.DataFrame, model: str, workload: str) -> list[Answer]:
    """Requests at once, live share, paging's own factor, equal tokens; and what sweeps of rates and number types found.

    `held` is of this model and workload. Where no run is outside sweeps the first three are left out.
    """
    attribution = of(tables["attribution"], model, workload)
    engines = _of_all(held)
    why = "" if PAGED in engines else _why(attribution)
    same = _same(tables["parity"], model, workload)
    rate = _rate(of(tables["slo_capacity"], model, workload)) if "slo_capacity" in tables else []
    swept = [*rate, *_dtype(of(tables["kv_dtypes"], model, workload))] if "kv_dtypes" in tables else rate
    if held.empty and swept:
        return [*swept, same]
    return [
        _compared("at-once", "Requests at once in the same memory", "", AT_ONCE, _pair(engines, RESERVING), why),
        _compared("live", "Allocated slots that hold a token", "%", LIVE, _pair(engines, CONTIGUOUS), why),
        _own(attribution),
        same,
        *swept,
    ]


def of(table: pd.DataFrame, model: str, workload: str) -> pd.DataFrame:
    """A table's rows of a model and workload."""
    return table[(table["model"] == model) & (table["workload"] == workload)]


def _of_all(held: pd.DataFrame) -> dict[str, pd.Series]:
    """Rows of all requests, by engine."""
    return {row["engine"]: row for _, row in held[held["scope"] == "all"].iterrows()}


def _pair(engines: Mapping[str, pd.Series], partners: Sequence[str]) -> list[pd.Series]:
    """vllm's row and that of its contiguous partner, as far as they ran."""
    partner = next((name for name in partners if name in engines), None)
    return [engines[name] for name in (PAGED, partner) if name in engines]


def _why(attribution: pd.DataFrame) -> str:
    """The table's reason why vllm has no values."""
    reasons = attribution.loc[attribution["factor"] == CAPACITY, "reason"].dropna()
    return f"{reasons.iloc[-1]}." if len(reasons) else f"{PAGED} has no repeat of all requests outside sweeps."


def _compared(key: str, title: str, unit: str, name: str, pair: Sequence[pd.Series], why: str) -> Answer:
    """An answer of both engines of `pair`, from the columns `name`_*; bars are relative to 100% or to the larger."""
    known = [row for row in pair if pd.notna(row[f"{name}_median"])]
    if why or not known:
        return Answer(key, title, unit, "at-once", [], missing=why or "the tables have no value.")
    factor = 100 if unit == "%" else 1
    most = 1 if unit == "%" else max(row[f"{name}_median"] for row in known) or 1
    values = [
        Number(row["label"], span(*(row[f"{name}_{part}"] * factor for part in PARTS)), row[f"{name}_median"] / most)
        for row in known
    ]
    few = any(pd.isna(row[f"{name}_ci95_low"]) for row in known)
    notes = [SUMS[name], *([FEW] if few else []), *([ALONE] if len(known) == 1 else [])]
    return Answer(key, title, unit, "at-once", values, " ".join(notes))


def _own(attribution: pd.DataFrame) -> Answer:
    """Capacity and, where it ran, price of paging: of all requests if there is such a row."""
    found, notes, limits = [], [], {}
    for factor in (CAPACITY, PRICE):
        rows = attribution[attribution["factor"] == factor]
        rows = rows.loc[rows["scope"].map({"all": 0, "sequential": 1}).sort_values(kind="stable").index]
        measured = rows[rows["ratio"].notna()]
        if len(measured):
            found.append(_ratio(factor, measured.iloc[0]))
            for reason in measured["reason"].dropna()[:1]:
                limits.setdefault(reason, []).append(factor)
        elif len(rows) and (factor == CAPACITY or rows["requests"].notna().any()):
            notes.append(f"{factor.capitalize()} has no number: {rows.iloc[0]['reason']}.")
    parts = ("factor", "Paging's own factor in speed", "×", "factors")
    if not found:
        return Answer(*parts, [], missing=" ".join(notes) or NO_BASE)
    limited = [f"{' and '.join(factors).capitalize()}: {reason}." for reason, factors in limits.items()]
    return Answer(*parts, found, " ".join([RATES, *limited, *notes]))


def _rate(capacities: pd.DataFrame) -> list[Answer]:
    """The largest rate within the limits of vllm and others, if rates were swept."""
    rows = rate_answer.shown(capacities)
    if not rows:
        return []
    numbers = [Number(row["engine"], rate_answer.text(row), rate_answer.length(row, rows)) for row in rows]
    parts = (rate_answer.KEY, rate_answer.TITLE, rate_answer.UNIT, rate_answer.EVIDENCE)
    return [Answer(*parts, numbers, rate_answer.limits(rows[0]))]


def _dtype(kv_dtypes: pd.DataFrame) -> list[Answer]:
    """What a number type other than auto gives, if number types were swept."""
    row = dtype_answer.shown(kv_dtypes)
    if row is None:
        return []
    found = [Number(name, text) for name, text in dtype_answer.numbers(row)]
    parts = (dtype_answer.KEY, dtype_answer.TITLE, dtype_answer.UNIT, dtype_answer.EVIDENCE)
    return [Answer(*parts, found, dtype_answer.note(row))]


def _ratio(factor: str, row: pd.Series) -> Number:
    names = f"{factor}: {row['numerator']} over {row['denominator']}"
    return Number(names, span(row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"]))


def _same(parity: pd.DataFrame, model: str, workload: str) -> Answer:
    """The share of vllm's outputs that equal the reference's, and what the gate says of vllm and this model."""
    engine = parity[parity["engine"] == PAGED]
    gates = engine[(engine["model"] == model) & engine["gate"].notna()]["gate"]
    note = f"Parity gate, in float32: {', '.join(dict.fromkeys(gates))}." if len(gates) else ""
    parts = ("same", "Same tokens as with contiguous memory", "%", "parity")
    rows = of(engine, model, workload)
    rows = rows[rows["gate"].isna()]
    rows = (
        rows[rows["point"] == "base"]
        if (rows["point"] == "base").any()
        else rows[rows["point"].map(is_rate).astype(bool)]
    )
    measured = rows[rows["share_equal"].notna()]
    if measured.empty:
        reasons = [str(reason).removeprefix("no: ") for reason in rows["comparable"].dropna()]
        return Answer(*parts, [], note, f"{reasons[0]}." if reasons else f"{PAGED} was not compared with hf-batch.")
    row = measured.iloc[0]
    told = f"of {number(row['requests_compared'])} outputs of {PAGED} equal those of hf-batch"
    return Answer(*parts, [Number(told, number(100 * row["share_equal"]))], note)

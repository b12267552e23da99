"""No run occurs twice, and the runs of one model and workload can be compared with each other."""

from __future__ import annotations

from kvbench.config.runs import ARRIVING, Plan, RunName
from kvbench.config.wording import Invalid, quote
from kvbench.engines.names import NOT_SERVING
from kvbench.workload.rates import FROM_FILE, RATE

# Runs of one model and workload are compared with each other, so these keys must not differ between them.
COMPARED = ("sampling", "max_length", "sequential_requests", "gpus")
# These keys may differ between points of a sweep, but not within a point.
COMPARED_AT_POINT = ("kv_budget_mib", "kv_dtype", "prefix_sharing", "burstiness")


def check_sweeps(entries: list[dict]) -> None:
    for number, entry in enumerate(entries):
        for key in entry.get("sweep", {}):
            if key in entry:
                raise Invalid(f"runs[{number}].{key}", "the sweep of this entry also sets it; remove one of the two")


def check_arrivals(config: dict) -> None:
    """Rates are of entries and engines that can have them, and `file` is of a user's file."""
    for number, entry in enumerate(config["runs"]):
        at, swept = f"runs[{number}]", entry.get("sweep", {})
        if RATE in entry and swept:
            raise Invalid(f"{at}.{RATE}", f"this entry sweeps {next(iter(swept))}; give the rate an entry of its own")
        if RATE not in {**entry, **swept}:
            if "burstiness" in entry:
                raise Invalid(f"{at}.burstiness", f"is of requests that arrive over time; add {RATE} or remove it")
            continue
        where = f"{at}.{RATE if RATE in entry else f'sweep.{RATE}'}"
        for engine in entry["engines"]:
            if engine in NOT_SERVING:
                raise Invalid(where, f"{engine} cannot serve arrivals: {NOT_SERVING[engine]}")
        if entry.get(RATE) == FROM_FILE:
            _check_from_file(config, entry, at, where)


def _check_from_file(config: dict, entry: dict, at: str, where: str) -> None:
    for workload in entry["workloads"]:
        if (kind := config["workloads"][workload]["kind"]) != "user":
            raise Invalid(where, f"{workload} is of kind {kind} and has no arrival times; give a rate in its place")
    if "burstiness" in entry:
        raise Invalid(f"{at}.burstiness", f"the file of {entry['workloads'][0]} says when requests arrive; remove it")


def check_unique(plan: Plan) -> None:
    first: dict[RunName, int] = {}
    for number, run, _ in plan:
        if run in first:
            same = f"{run.model}, {run.workload}, {run.engine}, {run.point}"
            raise Invalid(f"runs[{number}]", f"runs[{first[run]}] contains the same run ({same}); remove one")
        first[run] = number


def check_comparable(plan: Plan, config: dict) -> None:
    """Runs of a model and workload have the same values of COMPARED, and at each point those of COMPARED_AT_POINT."""
    first: dict[tuple, tuple[int, object]] = {}
    for number, run, own in plan:
        for key in (*COMPARED, *COMPARED_AT_POINT):
            value = own.get(key, {**config, **ARRIVING}[key])
            value = {**config["sampling"], **own.get(key, {})} if key == "sampling" else value
            group = (key, run.model, run.workload, run.point if key in COMPARED_AT_POINT else "")
            earlier, other = first.setdefault(group, (number, value))
            if value != other:
                problem = f"{quote(value)} differs from {quote(other)} of runs[{earlier}] for {run.workload}"
                raise Invalid(f"runs[{number}].{key}", f"{problem}; make them equal or give the workload a second name")

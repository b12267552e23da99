"""Each benchmark needs a run from which it takes its requests and settings."""

from __future__ import annotations

from kvbench.config.checks.names import check_known
from kvbench.config.runs import BASE, Plan, run_at_rate
from kvbench.config.wording import Invalid, quote
from kvbench.engines.names import BENCHMARKED, PEER_SERVE

FEWEST_PASSES = 6  # of a ratio that has an interval


def check_benchmarks(config: dict, plan: Plan) -> None:
    """Raise Invalid for a benchmark without a run to take its settings from, on one GPU and with a KV budget in MiB."""
    for name, own in config["benchmarks"].items():
        at = f"benchmarks.{name}"
        for key in ("model", "workload"):
            check_known([own[key]], config[f"{key}s"], key, f"{at}.{key}")
        settings = _at_rate(own, at, plan) if own["kind"] == PEER_SERVE else _at_base(own, at, plan)
        if own["kind"] == PEER_SERVE:
            _check_repeats(own, at, settings.get("repeats", config["repeats"]))
        if own.get("controls") and own["kind"] != "peer-vllm":
            raise Invalid(f"{at}.controls", f"{own['kind']} has none; remove it")
        if own["kind"] == "peer-hf" and config["models"][own["model"]]["source"] == "shape":
            raise Invalid(f"{at}.model", f"the hf backend needs text, but {own['model']} is a shape; use another model")
        for key, wrong in (("kv_budget_mib", "auto"), ("prefix_sharing", True)):
            if settings.get(key, config[key]) == wrong:
                raise Invalid(
                    at, f"its run has {key} {quote(wrong)}, which benchmarks do not support; use another workload"
                )
        if settings.get("gpus", config["gpus"]) > 1:
            raise Invalid(at, "its run uses several GPUs, which benchmarks do not support; use another workload")


def _at_base(own: dict, at: str, plan: Plan) -> dict:
    """The settings of the run of a benchmark that submits all requests at once."""
    if "requests_per_s" in own:
        problem = f"{own['kind']} submits all requests at once; remove it, or use peer-serve"
        raise Invalid(f"{at}.requests_per_s", problem)
    if own["passes"] < FEWEST_PASSES:
        raise Invalid(f"{at}.passes", f"{own['kind']} needs at least {FEWEST_PASSES} for an interval; raise it")
    wanted = (own["model"], own["workload"], BENCHMARKED[own["kind"]])
    settings = [s for _, run, s in plan if (run.model, run.workload, run.engine, run.point) == (*wanted, BASE)]
    if not settings:
        run = f"{wanted[2]} with {own['model']} and {own['workload']}"
        raise Invalid(at, f"no entry of runs serves {run} outside a sweep; add one, or use another workload")
    return settings[-1]


def _at_rate(own: dict, at: str, plan: Plan) -> dict:
    """The settings of the run with the benchmark's rate."""
    if "requests_per_s" not in own:
        raise Invalid(at, "requests_per_s is missing; add the rate of a run")
    found = run_at_rate(plan, own, BENCHMARKED[own["kind"]])
    if found is None:
        run = f"vllm with {own['model']} and {own['workload']} at requests_per_s {own['requests_per_s']}"
        raise Invalid(at, f"no entry of runs serves {run}; add one, or use the rate of a run")
    return found[1]


def _check_repeats(own: dict, at: str, repeats: int) -> None:
    """Each pass has the arrivals of another timed repeat."""
    if own["passes"] > repeats:
        problem = f"its run has {repeats} repeats for {own['passes']} passes; lower passes or raise repeats"
        raise Invalid(f"{at}.passes", problem)

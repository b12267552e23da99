"""Each benchmark needs a run from which it takes its requests and settings."""

from __future__ import annotations

from kvbench.config.checks.names import check_known
from kvbench.config.runs import BASE, Plan
from kvbench.config.wording import Invalid, quote
from kvbench.engines.names import BENCHMARKED


def check_benchmarks(config: dict, plan: Plan) -> None:
    """Raise Invalid for a benchmark without a run to take its settings from, on one GPU and with a KV budget in MiB."""
    runs = {(run.model, run.workload, run.engine): own for _, run, own in plan if run.point == BASE}
    for name, own in config["benchmarks"].items():
        at, engine = f"benchmarks.{name}", BENCHMARKED[own["kind"]]
        for key in ("model", "workload"):
            check_known([own[key]], config[f"{key}s"], key, f"{at}.{key}")
        settings = runs.get((own["model"], own["workload"], engine))
        if settings is None:
            run = f"{engine} with {own['model']} and {own['workload']}"
            raise Invalid(at, f"no entry of runs serves {run} outside a sweep; add one, or use another workload")
        if own["kind"] == "peer-hf" and config["models"][own["model"]]["source"] == "shape":
            raise Invalid(f"{at}.model", f"the hf backend needs text, but {own['model']} is a shape; use another model")
        for key, wrong in (("kv_budget_mib", "auto"), ("prefix_sharing", True)):
            if settings.get(key, config[key]) == wrong:
                raise Invalid(
                    at, f"its run has {key} {quote(wrong)}, which benchmarks do not support; use another workload"
                )
        if settings.get("gpus", config["gpus"]) > 1:
            raise Invalid(at, "its run uses several GPUs, which benchmarks do not support; use another workload")

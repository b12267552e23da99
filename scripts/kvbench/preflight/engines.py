"""Which rules need engines, and the refusal of their jobs in an environment that has none."""

from __future__ import annotations

from collections.abc import Iterable

from kvbench.errors import UserError
from kvbench.figures.registry import FIGURES
from kvbench.machine.packages import NO_ENGINES, has_engines

# Rules that import torch, Transformers or vLLM, or a model's tokenizer.
NEED_ENGINES = (
    *("measure_bandwidth", "measure_paging_price", "prepare_model", "make_workload", "draw_block_map"),
    *("run_traditional", "run_vllm", "run_benchmark"),
)
# Rules that only read what is in results/.
READ_ONLY = (
    *("summarise_runs", "summarise_workloads", "summarise_benchmarks", "summarise_paging_price"),
    *("summarise_sweeps", "summarise_serving", "summarise_predictions", "summarise_replays"),
    *("check_parity", "check_claims", "check_targets", "choose_rates", "replay_sweep", "predict_serving"),
    *("summarise_planned", "summarise_kv_by_context", "summarise_prefix_hits", "find_hit_rates", "summarise_hit_rates"),
    *("replay_fleet", "summarise_fleets"),
    *("run_replay", "plan_capacity", "make_report", "write_latex", "write_methods"),
    *(f"plot_{figure.name}" for figure in FIGURES),
)


def require_engines(rules: Iterable[str]) -> None:
    """UserError if a job of `rules`, which are about to run, needs an engine and none is installed."""
    wanted = sorted(set(rules) & set(NEED_ENGINES))
    if wanted and not has_engines():
        raise UserError(f"{', '.join(wanted)}: {NO_ENGINES}; `make plan` and `make report` need none")

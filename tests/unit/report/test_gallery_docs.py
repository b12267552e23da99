"""README.md and docs/gallery/README.md state what the tables of the published runs hold."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.engine_settings import engine_settings
from builders.places import GALLERY, ROOT
from builders.requests import request
from PIL import Image

from kvbench.analysis.published import read_published
from kvbench.engines.transformers.batches import longest_output, plan_batches
from kvbench.files import read_json
from kvbench.report.cells import NONE, number, span
from kvbench.workload.lengths import draw_lengths
from kvbench.workload.order import representative_first
from kvbench.yaml_files import read_yaml

FOLDERS = sorted(path.name for path in GALLERY.iterdir() if path.is_dir())
SPEED = "output_tokens_per_s_median"
# Name in README.md, gallery, model, workload.
ROWS = (
    ("SmolLM2-135M, `sharegpt`", "h200", "smollm2-135m", "sharegpt"),
    ("SmolLM2-135M, `mixed`", "h200", "smollm2-135m", "mixed"),
    ("GPT-2, `alpaca`", "h200-shapes", "gpt2", "alpaca"),
    ("Llama-2 7B, `alpaca`", "h200-shapes", "llama-2-7b", "alpaca"),
    ("Llama-2 7B, `sharegpt-256`, 50 GiB for KV", "h200-whole", "llama-2-7b", "sharegpt-256"),
    ("Llama 13B, `alpaca-128`", "h200-shapes", "llama-13b", "alpaca-128"),
    ("Llama-2 7B on two GPUs, `mixed`", "h200-two", "llama-2-7b", "mixed"),
)


def test_no_picture_of_the_gallery_is_cut_off() -> None:
    cut = []
    for path in sorted(GALLERY.rglob("*.png")):
        grey = np.asarray(Image.open(path).convert("L"))
        edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        cut += [str(path)] if edges.min() < 128 else []
    assert not cut


def seconds(gallery: str) -> str:
    return f"{pd.read_csv(GALLERY / gallery / 'durations.csv')['seconds'].sum():,.0f} s"


def cell(table: pd.DataFrame, **where: str) -> str:
    """Format the matching row's ratio, interval and both speeds; a dash if there is none."""
    rows = table.loc[(table[list(where)] == pd.Series(where)).all(axis=1) & table["requests"].notna()]
    if rows.empty:
        return NONE
    row = rows.squeeze()
    ratio = "no ratio" if pd.isna(row["ratio"]) else span(row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"])
    return f"{ratio}: {number(row[f'numerator_{SPEED}'])} / {number(row[f'denominator_{SPEED}'])}"


def line(name: str, gallery: str, model: str, workload: str) -> str:
    ratios, factors = (pd.read_csv(GALLERY / gallery / f"tables/{table}.csv") for table in ("ratios", "attribution"))
    served = {"model": model, "workload": workload, "numerator": "vllm"}
    cells = [
        cell(ratios, **served, denominator="hf-batch", scope="all"),
        cell(ratios, **served, denominator="hf-sequential", scope="sequential"),
        cell(factors, **served, denominator="vllm-reserved", scope="all"),
    ]
    environment = read_json(GALLERY / gallery / "environment.json")
    [card] = {re.sub("NVIDIA (H[12]00).*", r"\1", gpu["name"]) for gpu in environment["gpus"]}
    version = environment["packages"]["vllm"].removesuffix(".0")
    return f"| {name} | {' | '.join(cells)} | {card} | {version} |"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_readme_has_the_ratios_of_the_gallery(row: tuple[str, str, str, str]) -> None:
    assert line(*row) in (ROOT / "README.md").read_text().splitlines()


def test_the_papers_trace_stands_beside_the_papers_numbers() -> None:
    [row] = [row for row in (GALLERY / "README.md").read_text().splitlines() if row.startswith("| [paper-traces]")]
    table = pd.read_csv(GALLERY / "paper-traces/tables/replays.csv").query("scenario == 'paper-sharegpt'")
    own = table.set_index("policy", drop=False).loc[["reserve-max", "power-of-two", "oracle", "paged"]]
    for quantity, column, form, scale in (
        ("kv_region_live_share", "live_share_of_region", ".1f", 100),
        ("batched_requests", "running_mean_requests", ".2f", 1),
    ):
        published = read_published(ROOT / "config/published.yaml", quantity)
        paper = [next(one.low for one in published if one.applies(row)) for row in own.to_dict("records")]
        for values in (own[column], paper):
            *first, last = (format(scale * value, form) for value in values)
            assert f"{', '.join(first)} and {last}" in row


def test_the_page_on_replays_has_the_papers_trace_arriving_over_time() -> None:
    table = pd.read_csv(GALLERY / "paper-traces/tables/replays.csv")
    text = " ".join((ROOT / "docs/replay.md").read_text().split())
    for rate in (2, 6):
        own = table[table["requests_per_s"] == rate].set_index("policy")["running_mean_requests"]
        *first, last = (f"{own[policy]:.2f}" for policy in ("reserve-max", "power-of-two", "oracle", "paged"))
        assert f"At {rate} requests/s {', '.join(first)} and {last}" in text


def fitted(gallery: str) -> pd.DataFrame:
    """The engines' step times, fitted to all of their points that were not saturated."""
    return pd.read_csv(GALLERY / gallery / "tables/predictions.csv").query("not is_point")


@pytest.mark.parametrize(
    ("name", "gallery", "count"), [("paper-traces", "h100-serving-13b", 2), ("fleet", "h200-serving", 1)]
)
def test_a_scenario_with_arrivals_has_the_step_time_that_its_source_has(name: str, gallery: str, count: int) -> None:
    scenarios = read_yaml(ROOT / f"config/{name}.yaml")["replays"]
    measured = fitted(gallery).query("engine == 'vllm'").iloc[0]
    arriving = [one["step_time"] for one in scenarios.values() if one and "step_time" in one]
    assert len(arriving) == count
    for step_time in arriving:
        assert f"docs/gallery/{gallery}/tables/predictions.csv" in step_time["source"]
        for part in ("constant_s", "per_sequence_s", "per_token_s", "prefill_s"):
            assert step_time.get(part, 0) == measured[part]


def test_the_readme_says_by_how_much_replays_miss_the_first_token() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    late, at_13b = (
        100 * pd.read_csv(GALLERY / gallery / "tables/predictions.csv")["ttft_median_s_relative_error"].dropna()
        for gallery in ("h200-serving", "h100-serving-13b")
    )
    assert (
        f"its median first token comes from {-late.min():.0f}% too early to {late.max():.0f}% too late, at 13B "
        f"{-at_13b.max():.0f} to {-at_13b.min():.0f}% too early."
    ) in text


def test_the_readme_says_what_transformers_serves_of_the_requests_that_arrive() -> None:
    table = pd.read_csv(GALLERY / "h200-serving-transformers/tables/serving.csv").set_index(
        ["engine", "requests_per_s"]
    )
    kept = (100 * table[[f"attainment_share_{part}" for part in ("median", "min", "max")]]).round()
    assert kept.loc["hf-batch"].index.tolist() == kept.loc["vllm"].index.tolist() == [0.25, 0.5]
    assert (kept.loc["hf-batch"] == 0).all(axis=None)
    assert (kept.loc["vllm"] == 100).all(axis=None)
    assert (table["requests"] == 24).all()
    assert (table["n_repeats"] == 3).all()
    slow, shares = table.loc["hf-continuous"], kept.loc["hf-continuous"]
    assert (slow["memory_wait_share_of_time"] == 0).all()
    assert slow.index.tolist() == [0.125, 0.25, 0.5]
    first, second, third = shares["attainment_share_median"]
    text = " ".join((ROOT / "README.md").read_text().split())
    assert (
        f"{first:.0f}, {second:.0f} and {third:.0f}% of requests kept it at 0.125, 0.25 and 0.5 requests/s, in single "
        f"repeats {shares['attainment_share_min'].min():.0f} to {shares['attainment_share_max'].max():.0f}%."
    ) in text
    assert "padded batches kept the limits for no request at 0.25 and 0.5 requests/s, and `vllm` for all" in text
    low, high = 1e3 * slow["tpot_s_min"].min(), 1e3 * slow["tpot_s_max"].max()
    assert (
        f"in a repeat's median a further token took {low:.0f} to {high:.0f} ms, where the limit is "
        f"{1e3 * slow['slo_tpot_s'].max():.0f}."
    ) in text


def test_the_gallery_says_what_is_particular_to_transformers_under_arrivals() -> None:
    tables = GALLERY / "h200-serving-transformers/tables"
    text = " ".join((GALLERY / "README.md").read_text().split())
    hosts = pd.read_csv(tables / "hosts.csv").groupby("host")["point"].agg(set)
    assert {"requests_per_s-0.25"} in hosts.tolist()
    assert len(hosts) == 2
    assert not set.intersection(*hosts)
    assert "in `h200-serving-transformers` all engines at 0.25 requests/s." in text
    late = pd.read_csv(tables / "serving.csv").groupby("engine")["lateness_p99_s"].max()
    assert late.idxmax() == "vllm"
    assert f"submitted up to {late['vllm']:.3f} s late (p99)" in text
    predicted = pd.read_csv(tables / "predicted_capacity.csv")
    assert predicted["patterns_per_s_median"].isna().all()
    assert "so that `predicted_capacity.csv` has no capacity" in text


def capacities(gallery: str, name: str, part: str) -> dict[str, str]:
    """Engines with medians and intervals of a column of predicted_capacity.csv."""
    table = pd.read_csv(GALLERY / gallery / "tables/predicted_capacity.csv").set_index("engine")
    columns = (f"{name}_{part}_median", f"{name}_{part}_ci95_low", f"{name}_{part}_ci95_high")
    return {str(engine): span(*row) for engine, row in table[list(columns)].iterrows() if row.notna().all()}


def test_the_readme_says_what_is_served_at_13b_if_arrivals_go_on() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    rates = capacities("h100-serving-13b", "patterns", "per_s")
    ratios = capacities("h100-serving-13b", "vllm", "ratio")
    assert (
        f"keep the limits up to {rates['vllm']} requests/s with paging and {rates['vllm-reserved']} with reservations: "
        f"{ratios['vllm-reserved']} times as much."
    ) in text


def test_the_readme_says_what_paging_gives_with_most_of_the_card() -> None:
    tables = GALLERY / "h200-serving-whole/tables"
    text = " ".join((ROOT / "README.md").read_text().split())
    live = pd.read_csv(tables / "slo_capacity.csv").set_index("engine")
    assert live["where"].tolist().count("above the highest rate") == 2
    kept = live["highest_keeping_per_s"]
    ratio = pd.read_csv(tables / "slo_ratios.csv").set_index("denominator").loc["vllm-reserved", "ratio"]
    assert (
        f"up to {number(live.loc['vllm', 'capacity_per_s'])} requests/s with paging and "
        f"{number(live.loc['vllm-reserved', 'capacity_per_s'])} with reservations of the maximum length, a ratio of "
        f"{number(ratio)}, and at all rates that were run with reservations of the true length "
        f"({number(kept['vllm-reserved-oracle'])}) and of the next power of two "
        f"({number(kept['vllm-reserved-power-of-two'])}); one repeat of 768 requests each."
    ) in text
    served = pd.read_csv(tables / "serving.csv").set_index(["engine", "requests_per_s"])
    piled_up = served.loc[("vllm", 34)]
    assert piled_up["saturated"]
    arrive_s = piled_up["requests"] / piled_up["offered_per_s"]
    assert f"At 34 requests/s they arrive within {arrive_s:.0f} s, in which they still piled up." in text
    ratios = capacities("h200-serving-whole", "vllm", "ratio")
    assert (
        f"replays predict {capacities('h200-serving-whole', 'patterns', 'per_s')['vllm']} for paging: "
        f"{ratios['vllm-reserved']} times as much as with the maximum length, {ratios['vllm-reserved-power-of-two']} "
        f"as with the next power of two and {ratios['vllm-reserved-oracle']} as with the true length."
    ) in text


def test_the_gallery_says_what_to_know_of_the_whole_card_under_arrivals() -> None:
    text = " ".join((GALLERY / "README.md").read_text().split())
    tables = GALLERY / "h200-serving-whole/tables"
    served = pd.read_csv(tables / "serving.csv").set_index(["engine", "requests_per_s"])
    late = served[served["late"]]
    assert late.index.tolist() == [("vllm", 40)]
    assert f"were submitted up to {late['lateness_p99_s'].iloc[0]:.2f} s late (p99)" in text
    predicted = pd.read_csv(tables / "predicted_capacity.csv").set_index("engine").loc["vllm"]
    assert predicted["fit_points"] == 1
    assert predicted["patterns_per_s_min"] > 34


def test_the_readme_says_how_vllm_compares_with_its_own_benchmark() -> None:
    table = pd.read_csv(GALLERY / "h200-benchmarks/tables/benchmarks.csv").set_index(["name", "ours"])
    text = " ".join((ROOT / "README.md").read_text().split())
    for ours, form in (
        ("vllm", "recording on made {} times the output tokens per second on SmolLM2 and {} at 7B;"),
        ("vLLM's benchmark in a second process", "beside itself in a second process made {} and {}."),
    ):
        rows = [table.loc[name, ours] for name in ("peer-vllm", "peer-vllm-7b")]
        spans = (span(*row[["ratio", "ratio_ci95_low", "ratio_ci95_high"]]) for row in rows)
        assert form.format(*spans) in text
    recorded = table.loc[("recording", "vllm"), "hook_share_of_wall"]
    assert f"Recording took {recorded:.3%} of a pass on SmolLM2" in text


CACHES = {"Gemma 3 27B": "gemma-3-27b", "Qwen3 8B": "qwen3-8b", "gpt-oss 20B": "gpt-oss-20b"} | {
    "DeepSeek V2 Lite": "deepseek-v2-lite"
}


@pytest.mark.parametrize("name", CACHES)
def test_the_page_on_caches_has_what_was_planned_logged_and_held(name: str) -> None:
    tables = {
        name: pd.read_csv(GALLERY / f"h100-caches/tables/{name}.csv") for name in ("planned", "repeats", "kv_waste")
    }
    planned, repeats, waste = (
        table[(table["model"] == CACHES[name]) & table["point"].isin(["base", "kv_dtype-auto"])]
        for table in tables.values()
    )
    [own] = planned.to_dict("records")
    assert (own["blocks_planned"], own["kv_tokens_planned"]) == (own["blocks_logged"], own["kv_tokens_logged"])
    cells = [
        own["groups"],
        f"{token_bytes(CACHES[name]):,}",
        f"{own['kv_tokens_logged']:,}",
        f"{repeats['running_mean_requests'].median():.1f}",
        f"{repeats['preemptions'].median():.0f}",
        f"{100 * waste['live_share_of_allocated'].squeeze():.1f}%",
    ]
    assert f"| {name} | {' | '.join(cells)} |" in (ROOT / "docs/caches.md").read_text().splitlines()


def token_bytes(model: str) -> int:
    """Bytes of a token in two-byte types, from the sizes in the run's configuration."""
    shape = read_yaml(GALLERY / "h100-caches/config.yaml")["models"][model]["shape"]
    if latent := shape.get("kv_lora_rank"):
        return 2 * shape["layers"] * (latent + shape["qk_rope_head_dim"])
    return 4 * shape["layers"] * shape["kv_heads"] * shape["head_dim"]


def test_the_page_on_caches_has_what_fp8_did() -> None:
    table = pd.read_csv(GALLERY / "h100-caches/tables/kv_dtypes.csv").set_index("kv_dtype")
    auto, fp8 = table.loc["auto"], table.loc["fp8"]
    waits = [100 * row["steps_waiting_share_median"] for row in (fp8, auto)]
    text = " ".join((ROOT / "docs/caches.md").read_text().split())
    assert (
        f"FP8 gives Qwen3 8B {fp8['pool_tokens_over_auto']:.2f} times the tokens in the same bytes: "
        f"{fp8['preemptions_median']:.0f} preemptions in place of {auto['preemptions_median']:.0f}, "
        f"requests that wait in {waits[0]:.0f}% of the steps in place of {waits[1]:.0f}%, and "
        f"{span(*fp8[['ratio', 'ratio_ci95_low', 'ratio_ci95_high']])} times the output tokens per second, measured on "
        "another host of that kind"
    ) in text
    assert not fp8["same_host"]


def test_the_gallery_says_how_far_processes_that_decide_the_same_differ() -> None:
    table = pd.read_csv(GALLERY / "h200/tables/throughput.csv").query("workload == 'mixed' and scope == 'sequential'")
    text = " ".join((GALLERY / "README.md").read_text().split())
    for engine in ("vllm-contiguous", "vllm-reserved", "vllm"):
        row = table[table["engine"] == engine].squeeze()
        middle, *ends = (f"{row[f'output_tokens_per_s_{part}']:,.0f}" for part in ("median", "ci95_low", "ci95_high"))
        assert f"{middle} [{', '.join(ends)}] with `{engine}`" in text


@pytest.mark.parametrize("gallery", FOLDERS)
def test_durations_are_the_sums_of_the_jobs(gallery: str) -> None:
    [row] = [row for row in (GALLERY / "README.md").read_text().splitlines() if row.startswith(f"| [{gallery}]")]
    assert f"| {seconds(gallery)} |" in row


@pytest.mark.parametrize("gallery", ["h200", "h200-shapes"])
def test_the_readme_has_the_duration_of_a_gallery(gallery: str) -> None:
    assert re.search(rf"\b{seconds(gallery)}\b", (ROOT / "README.md").read_text())


def drawn(config: dict[str, Any], workload: str, longest: int) -> np.ndarray:
    """Tokens of prompts and outputs in the order of the workload's requests, shape (2, R)."""
    own = config["workloads"][workload]
    lengths = np.stack(draw_lengths(own["kind"], own["requests"], config["seed"], workload, longest))
    return lengths[:, representative_first(lengths.sum(axis=0))]


def padded(gallery: str, workload: str, slots: int, positions: int) -> list[tuple[int, int]]:
    """Numbers of batches and steps of `hf-batch`, with rows up to `max_length` and with rows up to `positions`."""
    config = read_yaml(GALLERY / gallery / "config.yaml")
    most = config["max_length"]
    for run in config["runs"]:
        most = run.get("max_length", most) if workload in run["workloads"] else most
    requests = [request(p, o) for p, o in drawn(config, workload, most).T.tolist()]
    found = []
    for longest in (most, positions):
        settings = engine_settings(max_length=most, max_context=longest, budget_bytes=slots)
        batches = plan_batches(settings, requests)
        found.append((len(batches), sum(longest_output(batch) for batch in batches)))
    return found


def test_the_readme_says_where_memory_binds_on_the_whole_card_and_what_each_part_gives() -> None:
    tables = GALLERY / "h200-whole/tables"
    waste, steps, ratios = (pd.read_csv(tables / f"{name}.csv") for name in ("kv_waste", "roofline", "ratios"))
    waste, steps = waste.set_index("engine"), steps.set_index("engine")
    waits = 100 * waste["steps_with_waiting_share"]
    over = ratios.query("denominator == 'hf-batch'").set_index("numerator")
    compiled, growing = steps.loc["hf-static-compiled"], steps.loc["hf-batch"]
    text = " ".join((ROOT / "README.md").read_text().split())
    for words in (
        f"requests waited in {waits['hf-batch']:.0f}% of the steps",
        f"{100 * waste.loc['hf-batch', 'live_share_of_allocated']:.1f}% of the allocated slots held a token",
        f"where they waited in {waits['vllm-reserved']:.0f}%.",
        f"vLLM with reservations made {number(over.loc['vllm-reserved', 'ratio'])} times the output tokens",
        f"continuous batching made {number(over.loc['hf-continuous', 'ratio'])} times as many, on another host.",
        f"static cache made {number(over.loc['hf-static-compiled', 'ratio'])} times as many",
        f"steps took {compiled['decode_step_s_median'] / growing['decode_step_s_median']:.2f} of the time",
        f"there were {compiled['decode_steps'] / growing['decode_steps']:.2f} times as many of them",
    ):
        assert words in text
    assert over["same_host"].to_dict() == {one: one != "hf-continuous" for one in over.index}
    factors = pd.read_csv(tables / "attribution.csv").set_index("factor")
    assert factors.loc["capacity of paging", "numerator_steps_waiting_for_blocks_share"] == 0
    assert (waste.loc[["hf-batch", "hf-static-compiled", "hf-continuous"], "n_repeats"] == 1).all()


def test_the_readme_says_what_the_price_of_paging_in_its_figure_is() -> None:
    table = pd.read_csv(GALLERY / "h200-shapes/tables/roofline.csv").query("model == 'llama-2-7b' and scope == 'all'")
    found = table.set_index("engine").loc[["vllm-reserved", "vllm-contiguous"]]
    paged, contiguous = 1e3 * found["decode_step_s_median"]
    idle = [f"{100 * (1 - share):.0f}" for share in found["gpu_busy_share"]]
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"took {paged:.2f} ms with blocks of 16 and {contiguous:.2f} ms with one contiguous block" in text
    assert f"the GPU was idle in {idle[0]} and {idle[1]}% of the time" in text


def test_h200_shapes_has_batches_that_only_the_budget_ends() -> None:
    repeats = pd.read_csv(GALLERY / "h200-shapes/tables/repeats.csv")
    steps = repeats.query("engine == 'hf-batch' and workload == 'alpaca' and scope == 'all'")["steps"]
    (_, split), (_, whole) = padded("h200-shapes", "alpaca", 960, 1024)
    assert set(steps) == {whole} != {split}


@pytest.mark.parametrize(
    ("gallery", "workload", "slots", "positions"),
    [
        ("cpu-2-cores", "mixed", 193, 8192),
        ("h100-out-of-memory", "alpaca-400", 135_600, 4096),
        ("h200", "mixed", 1092, 8192),
        ("h200-benchmarks", "mixed", 1092, 8192),
        ("h200-shapes", "alpaca-128", 15_700, 2048),
        ("h200-two", "mixed", 2048, 4096),
    ],
)
def test_the_other_galleries_have_the_same_padded_batches(
    gallery: str, workload: str, slots: int, positions: int
) -> None:
    before, now = padded(gallery, workload, slots, positions)
    assert before == now


def test_the_gallery_says_what_limits_padded_batches_of_a_plan() -> None:
    text = " ".join((GALLERY / "README.md").read_text().split())
    (new, limit), (same, _), (old, older) = (
        pd.read_csv(GALLERY / gallery / "tables/capacity.csv")
        .query("policy == 'hf-batch'")[["requests_at_once", "limited_by"]]
        .squeeze()
        for gallery in ("cpu-2-cores", "h200", "cpu-2-cores-paper")
    )
    assert new == same
    assert f"padded batches run {number(new)} requests at once, limited by {limit};" in text
    assert f"`cpu-2-cores-paper` {number(old)}, limited by `{older}`" in text


def test_the_gallery_names_the_rows_that_fit() -> None:
    table = pd.read_csv(GALLERY / "h100-out-of-memory/tables/throughput.csv").set_index("engine")
    rows = table[["out_of_memory_rows", "largest_batch_rows"]].astype(int)
    (static_out, static_fit), (batch_out, batch_fit) = rows.loc["hf-static"], rows.loc["hf-batch"]
    text = (GALLERY / "README.md").read_text()
    assert f"of {static_out} reservations of 4,096 tokens, which the budget allows, {static_fit} fit;" in text
    assert f"of a padded batch of {batch_out} requests, {batch_fit} |" in text


@pytest.mark.parametrize("gallery", [name for name in FOLDERS if (GALLERY / name / "tables/targets.csv").is_file()])
def test_missed_targets_are_told(gallery: str) -> None:
    table = pd.read_csv(GALLERY / gallery / "tables/targets.csv")
    text = (GALLERY / "README.md").read_text()
    told = text[text.index("What was missed") :].partition("\n\n")[0]
    for _, row in table[table["verdict"] == "missed"].iterrows():
        assert f"{float(row['measured']):.3g}" in told, row["id"]


def decode_step(gallery: str, workload: str) -> tuple[float, float]:
    """The bound of a decode step of vllm at 7B, and what the step takes beyond it, in ms."""
    where = {"model": "llama-2-7b", "workload": workload, "engine": "vllm", "point": "base", "scope": "all"}
    table = pd.read_csv(GALLERY / gallery / "tables/roofline.csv")
    row = table[(table[list(where)] == pd.Series(where)).all(axis=1)].squeeze()
    return 1e3 * row["bound_s"], 1e3 * row["bound_s"] * (1 / row["fraction_of_bound"] - 1)


def test_the_gallery_says_how_far_a_decode_step_is_from_its_bound() -> None:
    text = " ".join((GALLERY / "README.md").read_text().split())
    same = [decode_step(gallery, "alpaca") for gallery in ("h200-shapes", "h200-benchmarks")]
    bounds = sorted({f"{bound:.1f}" for bound, _ in same})
    beyond = sorted(over for _, over in [*same, decode_step("h200-whole", "sharegpt-256")])
    bound, over = decode_step("h100-paging-price", "alpaca")
    assert (
        f"a step takes {beyond[0]:.1f} to {beyond[-1]:.1f} ms more than its bound on the H200s and {over:.1f} ms on "
        f"the H100, and in the first two the bound is shorter, {' to '.join(bounds)} in place of "
        f"{bound:.1f} ms."
    ) in text


PRICE = "h100-paging-price"
LAYOUTS = {"mha": "multi-head (32)", "gqa": "grouped-query (32 over 8)", "mla": "latent (MLA, 16)"}


def kernel_ratios(layout: str, **where: object) -> str:
    """Ratios of a layout on shuffled pages of 16, in the order of contexts and batches."""
    table = pd.read_csv(GALLERY / PRICE / "tables/paging_price.csv")
    chosen = {"layout": layout, "order": "shuffled", "page_tokens": 16, **where}
    rows = table[(table[list(chosen)] == pd.Series(chosen)).all(axis=1)].sort_values(["context_tokens", "batch"])
    if "batch" not in where:
        rows = rows[rows["batch"] > 1] if where["phase"] == "decode" else rows
    return ", ".join(f"{ratio:.2f}" for ratio in rows["ratio"])


def test_the_kernels_price_in_the_docs_is_the_galleries() -> None:
    lines = (ROOT / "docs/engines.md").read_text().splitlines()
    rows = [
        (f"decode, 32 and 128 sequences of up to {context:,}", {"phase": "decode", "context_tokens": context})
        for context in (512, 2048, 8192)
    ]
    rows.append(("decode, one sequence (13 to 66 µs)", {"phase": "decode", "batch": 1}))
    for name, where in rows:
        cells = [kernel_ratios(layout, **where) for layout in LAYOUTS]
        assert f"  | {name} | {' | '.join(cells)} |" in lines
    cells = [kernel_ratios(layout, phase="prefill") for layout in ("mha", "gqa")]
    name = "prefill of 8,192 tokens: 16 × 512, 4 × 2,048, 1 × 8,192"
    assert f"  | {name} | {' | '.join(cells)} | not from the cache |" in lines


@pytest.mark.parametrize(("workload", "times"), [("sharegpt", 2), ("alpaca", 1)])
def test_the_engines_price_in_the_docs_is_the_galleries(workload: str, times: int) -> None:
    table = pd.read_csv(GALLERY / PRICE / "tables/attribution.csv")
    row = table.query(f"workload == '{workload}' and factor == 'price of paging' and part == 'side'").squeeze()
    text = " ".join((ROOT / "docs/engines.md").read_text().split())
    ends = "{:.3f} [{:.3f}, {:.3f}]" if workload == "sharegpt" else "{:.3f} [{:.3f}, {:.2f}]"
    told = ends.format(row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"])
    assert text.count(told) == times
    assert (told in " ".join((ROOT / "README.md").read_text().split())) == (workload == "sharegpt")


PICTURE = GALLERY / "cpu-2-cores-picture"


def test_the_picture_in_the_readme_is_told_with_its_numbers() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    paged, contiguous = pd.read_csv(PICTURE / "block-map.csv").itertuples(index=False)
    assert (paged.engine, contiguous.engine) == ("vllm", "vllm-contiguous")
    requests = {side.running + side.waiting + side.served for side in (paged, contiguous)}
    assert f"{paged.time_s:.1f} s after {requests.pop()} requests were submitted" in text
    assert not requests
    assert f"{contiguous.running} run on the left, {paged.running} on the right]" in text
    assert f"Left, one contiguous block of {contiguous.cell_slots} tokens reserved for each request (" in text
    assert f"(`vllm-contiguous`): {_told(contiguous)} of the memory taken holds tokens" in text
    assert f"Right, blocks of {paged.cell_slots} tokens when they are needed (`vllm`): {_told(paged)} holds" in text
    assert f"served after {contiguous.served_s:.1f} s on the left and {paged.served_s:.1f} s on the right" in text


def _told(side: Any) -> str:
    return f"{side.running} run, {side.waiting} wait, and {side.live_slots / side.allocated_slots:.0%}"


def test_the_picture_is_on_the_first_screen_and_light_enough_to_load() -> None:
    beginning = (ROOT / "README.md").read_text().splitlines()[:20]
    assert any(f"({PICTURE.relative_to(ROOT)}/block-map.png)" in line for line in beginning)
    assert (PICTURE / "block-map.png").stat().st_size < 500_000
    assert (PICTURE / "block-map.gif").stat().st_size <= 3_000_000


def test_the_readme_has_the_rates_of_the_serving_gallery() -> None:
    tables = GALLERY / "h200-serving/tables"
    rates = pd.read_csv(tables / "slo_capacity.csv").set_index("engine")
    ratios = pd.read_csv(tables / "slo_ratios.csv").set_index("denominator")
    text = " ".join((ROOT / "README.md").read_text().split())
    order = ["vllm", "vllm-reserved-oracle", "vllm-reserved-power-of-two", "vllm-reserved"]
    assert rates.loc[order, "n_repeats"].tolist() == [6, 6, 1, 1]
    ends = ["ci95_low", "ci95_high"]
    kept = rates.loc[order, [f"repeats_per_s_{part}" for part in ("median", *ends)]]
    paged, oracle, power, most = (span(*row) for row in kept.itertuples(index=False))
    over = ratios.loc[order[1:], ["ratio", *(f"ratio_{end}" for end in ends)]]
    first, latency = rates.loc["vllm"], "first token within {:g} s and the others within {:g} s each up to"
    assert (
        f"{latency.format(first['slo_ttft_s'], first['slo_tpot_s'])} {paged} requests/s with paging, {oracle} with "
        f"reservations of each request's true length, {power} with the next power of two, and {most} with the maximum "
        "length: ratios of {}, {} and {}.".format(*(span(*row) for row in over.itertuples(index=False)))
    ) in text


def test_the_readme_says_what_the_reservation_of_one_block_keeps() -> None:
    served = pd.read_csv(GALLERY / "h200-serving/tables/serving.csv").set_index(["engine", "requests_per_s"])
    [share] = {served.loc[(name, 3), "attainment_share_median"] for name in ("vllm-contiguous", "vllm-reserved")}
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"at 3 requests/s {share:.1%} of requests kept the limits with either." in text


def test_the_readme_says_what_is_served_at_7b_if_arrivals_go_on() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    table = pd.read_csv(GALLERY / "h200-serving/tables/predicted_capacity.csv")
    ratios = capacities("h200-serving", "vllm", "ratio")
    assert (table["requests"] == 8 * 160).all()
    assert (
        f"up to {capacities('h200-serving', 'patterns', 'per_s')['vllm']} requests/s with paging: "
        f"{ratios['vllm-reserved-oracle']} times as much as with the true length, "
        f"{ratios['vllm-reserved-power-of-two']} as with the next power of two and {ratios['vllm-reserved']} as with "
        "the maximum length."
    ) in text
    worst = table["run_per_s_relative_error"].abs().max()
    assert f"which at what was run is at most {worst:.2%} of the capacity." in text
    sustained = number(table.set_index("engine").loc["vllm", "patterns_per_s_median"])
    gallery = " ".join((GALLERY / "README.md").read_text().split())
    assert f"replays with arrivals that go on end lower, at {sustained} " in gallery


def test_the_page_on_replays_has_the_time_that_a_prompt_adds_to_a_step() -> None:
    text = " ".join((ROOT / "docs/replay.md").read_text().split())
    small, whole, at_13b = (
        1e3 * pd.concat([one.loc[one["engine"].str.startswith("vllm"), "prefill_s"] for one in map(fitted, galleries)])
        for galleries in (["h200-serving", "h200-serving-transformers"], ["h200-serving-whole"], ["h100-serving-13b"])
    )
    assert at_13b.max().round(1) == at_13b.min().round(1)
    assert (
        f"took {number(small.min())} to {number(small.max())} ms longer than its tokens explain in 15.7K slots and "
        f"{number(whole.min())} to {number(whole.max())} ms with 50 GiB of slots, where batches are larger; at 13B on "
        f"an H100 {number(at_13b.max())} ms longer"
    ) in text


def test_the_readme_says_which_rates_keep_the_limits_at_13b() -> None:
    tables = GALLERY / "h100-serving-13b/tables"
    rates = pd.read_csv(tables / "slo_capacity.csv").set_index("engine")
    points = pd.read_csv(tables / "serving.csv").set_index(["engine", "requests_per_s"])
    text = " ".join((ROOT / "README.md").read_text().split())
    assert "paging kept the limits at 4 requests/s, and at 8 in a run too short to tell" in text
    assert (points["slo_share"] == 0.9).all()
    assert points.loc[("vllm", [4, 8]), "attainment_share_median"].ge(0.9).all()
    assert str(points.loc[("vllm", 4), "saturated"]) == "False"
    assert pd.isna(points.loc[("vllm", 8), "saturated"])
    assert rates.loc["vllm", "where"] == "above the highest rate"
    for engine in ("vllm-reserved", "vllm-contiguous"):
        assert points.loc[(engine, 1), "attainment_share_median"] < 0.9


def test_the_page_on_caches_says_what_its_sweep_of_number_types_found() -> None:
    table = pd.read_csv(GALLERY / "caches/tables/kv_dtypes.csv").set_index("kv_dtype")
    assert table.loc["auto", "steps_waiting_for_blocks_share_median"] > 0.5
    assert table.loc["fp8", "interval_against_1"] == "above 1"
    assert table.loc["fp8", "equal_outputs_share"] < 0.5


@pytest.mark.parametrize("policy", ["reserve-max", "power-of-two", "oracle", "paged"])
def test_the_page_on_replays_has_the_replicas_of_the_gallery(policy: str) -> None:
    table = pd.read_csv(GALLERY / "fleet/tables/fleets.csv")
    own = table[(table["policy"] == policy) & table["fewest"]].set_index("router")
    cells = [f"so {own['division_replicas'].iloc[0]}"]
    cells += [str(own.loc[router, "replicas"]) for router in ("least-outstanding", "round-robin")]
    page = (ROOT / "docs/replay.md").read_text()
    [row] = [row for row in page.splitlines() if re.match(rf"\| `{policy}` \| [\d.]+, so ", row)]
    assert row.endswith(f", {' | '.join(cells)} |")

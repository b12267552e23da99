"""Figures draw the values they are given, share one style, and give identical files for identical data."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from builders.runs import ENGINES, write_margins, write_run, write_runs
from builders.simulated_engine import simulate
from builders.simulated_requests import make_requests
from builders.tables import figure_rows
from builders.text_boxes import assert_inside
from matplotlib.colors import to_hex

from kvbench.analysis import parity as parity_table
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import kv_waste as kv_waste_table
from kvbench.analysis.tables import memory as memory_table
from kvbench.analysis.tables import throughput as throughput_table
from kvbench.engines import names
from kvbench.errors import UserError
from kvbench.figures import kv_waste, latency, memory, memory_parts, parity, throughput
from kvbench.figures.data.latencies import latencies
from kvbench.figures.data.memory import memory_trace
from kvbench.figures.data.speeds import speeds
from kvbench.figures.data.steps import thin
from kvbench.figures.saving import save
from kvbench.figures.style import LOOKS, look, settle
from kvbench.figures.words import range_text, value_text
from kvbench.records import SPLIT

MIB = 2**20


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    runs = load_runs(write_runs(root))
    write_margins(runs[0].folder / "run.json", make_requests(4), {})
    frames = {
        "throughput": throughput_table.table(runs, 0),
        "memory": memory_table.table(runs),
        "kv_waste": kv_waste_table.table(runs),
        "parity": parity_table.table(runs),
    }
    return runs, {name: figure_rows(root, frame) for name, frame in frames.items()}


def _bars(axes, label=None):
    patches = [p for c in axes.containers if hasattr(c, "patches") for p in c.patches]
    return patches if label is None else [p for c in axes.containers if c.get_label() == label for p in c.patches]


def test_throughput_bars_intervals_and_dots_equal_the_data(results):
    runs, tables = results
    found = speeds(runs, tables["throughput"])
    assert list(found) == ["all", "sequential"]
    figure = throughput.draw(found)
    left, right = figure.axes
    for axes, scope in ((left, "all"), (right, "sequential")):
        rows = tables["throughput"].query("scope == @scope")
        assert [p.get_width() for p in _bars(axes)] == list(rows.output_tokens_per_s_median)
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        walls = [[r["wall_s"] for r in run.timed(scope)] for run in runs if run.timed(scope)]
        assert [list(d.get_xdata()) for d in dots] == [list(rows.output_tokens.iloc[0] / np.array(w)) for w in walls]
        ends = [c.lines[2][0].get_segments()[0][:, 0] for c in axes.containers if not hasattr(c, "patches")]
        np.testing.assert_allclose(ends, rows[["output_tokens_per_s_ci95_low", "output_tokens_per_s_ci95_high"]])
    assert [t.get_text() for t in left.get_yticklabels()] == list(ENGINES)
    assert "n = 6" in figure._supxlabel.get_text()
    assert left.get_title(loc="left") == "all 16 requests"


def test_points_of_a_sweep_stand_by_size(tmp_path):
    points = ["block_size-32", "block_size-128", "block_size-64"]
    runs = load_runs([write_run(tmp_path, "vllm", point=point) for point in points])
    figure = throughput.draw(speeds(runs, figure_rows(tmp_path, throughput_table.table(runs, 0))))
    drawn = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert drawn == [f"vllm (block_size-{size})" for size in (32, 64, 128)]


def test_few_repeats_draw_no_interval(tmp_path):
    runs = load_runs(write_runs(tmp_path, ("vllm",), repeats=3))
    figure = throughput.draw(speeds(runs, figure_rows(tmp_path, throughput_table.table(runs, 0))))
    assert all(hasattr(c, "patches") for axes in figure.axes for c in axes.containers)
    assert "interval" not in figure._supxlabel.get_text()


def test_latency_medians_and_dots_equal_the_samples(results):
    runs, _ = results
    figure = latency.draw(latencies(runs, list(latency.TITLES)))
    batch = ENGINES.index("hf-batch")
    end_to_end = runs[batch].timed_requests("all").finish_s
    axes = figure.axes[2]
    medians = [c for c in axes.collections if c.get_linewidth()[0] == 1.8]
    assert medians[batch].get_segments()[0][0, 0] == pytest.approx(np.median(end_to_end))
    np.testing.assert_allclose(np.sort(axes.lines[batch].get_xdata()), np.sort(end_to_end))
    per_token = figure.axes[1].lines[0].get_xdata()
    rows = runs[0].timed_requests("sequential")
    expected = 1000 * (rows.finish_s - rows.first_token_s) / (rows.output_tokens - 1)
    np.testing.assert_allclose(np.sort(per_token), np.sort(expected))
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels[batch] == "hf-batch*\nn = 16 × 6"
    assert labels[0] == "hf-sequential\nn = 4 × 6"


def test_kv_waste_bars_are_the_shares_and_fill_the_row(results):
    _, tables = results
    axes, marks = kv_waste.draw(tables["kv_waste"]).axes
    for name in SPLIT:
        widths = [p.get_width() for p in _bars(axes, name)]
        np.testing.assert_allclose(widths, tables["kv_waste"][f"{name}_share_of_allocated"] * 100)
    ends = [p.get_x() + p.get_width() for p in _bars(axes, SPLIT[-1])]
    np.testing.assert_allclose(ends, 100, rtol=1e-4)
    unused = [line.get_xdata()[0] for line in marks.lines]
    np.testing.assert_allclose(unused, tables["kv_waste"]["unused_pool_share_of_pool"] * 100)


def test_uses_of_slots_are_named_in_words_where_they_occur(results):
    def named(table):
        (legend,) = kv_waste.draw(table).legends
        return [text.get_text() for text in legend.get_texts()]

    _, tables = results
    plain = named(tables["kv_waste"])
    assert "page padding" not in plain
    assert named(tables["kv_waste"].assign(page_padding_share_of_allocated=0.1)) == [*plain, "page padding"]


def test_memory_parts_stack_up_to_the_process(results):
    _, tables = results
    (axes,) = memory_parts.draw(tables["memory"]).axes
    vllm = tables["memory"].query("engine == 'vllm'").set_index("part")["bytes"]
    y = ENGINES.index("vllm")
    drawn = {c.get_label(): c.patches[0].get_width() for c in axes.containers if round(_middle(c)) == y}
    assert drawn == pytest.approx({part: size / 2**30 for part, size in vllm.items() if size > 0})
    total = axes.collections[y].get_segments()[0][0, 0]
    assert total == pytest.approx(sum(drawn.values()))
    assert "none, or not known here: activations at peak, CUDA graphs, libraries, allocator slack" in axes.get_xlabel()


def _middle(container):
    patch = container.patches[0]
    return patch.get_y() + patch.get_height() / 2


def test_parity_bars_and_the_sampled_row(results):
    _, tables = results
    table = tables["parity"].copy()
    table["comparable"] = table["comparable"].astype(object)
    table.loc[0, ["comparable", "share_equal"]] = ["no: sampled", np.nan]
    table.loc[1, "share_equal"] = 0.75
    left, right = parity.draw(table).axes
    assert [p.get_width() for p in _bars(left)] == [75, 100, 100]
    assert [p.get_width() for p in _bars(right)] == list(table["median_common_prefix_tokens"][1:])
    texts = [t.get_text() for t in left.texts]
    assert texts[:2] == ["not comparable (sampled)", "12/16"]


def test_a_workload_without_the_reference_says_so(results):
    _, tables = results
    (only,) = parity.draw(tables["parity"].iloc[:0]).axes
    assert [t.get_text() for t in only.texts] == ["no engine was compared with the reference"]


def test_where_no_run_is_comparable_there_is_no_panel_of_prefixes(results):
    _, tables = results
    (only,) = parity.draw(tables["parity"].assign(comparable="no: sampled")).axes
    assert {t.get_text() for t in only.texts} == {"not comparable (sampled)"}
    assert not _bars(only)


@pytest.mark.parametrize("width_in", [3.4, 7])
def test_parity_stays_in_the_picture_with_long_names_and_reasons(results, width_in):
    _, tables = results
    table = tables["parity"].astype({"comparable": object})
    table["label"] = [f"{label} (requests_per_s-0.25)" for label in table["label"]]
    table.loc[1:, "comparable"] = "no: each library drew its own weights"
    figure = parity.draw(table, {"width_in": width_in})
    assert len(figure.axes) == 2
    assert_inside(figure)


def test_memory_draws_totals_in_gib_and_the_split_in_mib(results):
    runs, _ = results
    traces = [memory_trace(run) for run in runs]
    figure = memory.draw(traces)
    y = ENGINES.index("hf-batch")
    left, right = figure.axes[2 * y], figure.axes[2 * y + 1]
    process = next(line for line in left.lines if line.get_label() == "process")
    np.testing.assert_allclose(process.get_ydata() * 1024, traces[y].process)
    steps = simulate("hf-batch", make_requests(16), 1088).steps
    peak = max(sum(s.split.values()) for s in steps) * runs[y].record["slot_bytes"] / MIB
    stacks = {c.get_label(): c.get_paths()[0].vertices[:, 1].max() for c in right.collections}
    assert stacks["finished"] == pytest.approx(peak)
    assert stacks["live"] == pytest.approx(max(s.split["live"] for s in steps) * runs[y].record["slot_bytes"] / MIB)
    assert left.get_ylabel() == "Memory (GiB)"
    assert right.get_ylabel() == "KV cache (MiB)"
    assert right.get_title(loc="left") == "repeat 1 of 6: 16 requests"


def test_a_gpu_run_shows_nvml_and_one_value_a_sample(tmp_path):
    run = load_runs(write_runs(tmp_path, ("vllm",), device="cuda", repeats=1))[0]
    trace = memory_trace(run)
    assert trace.source == "NVML"
    np.testing.assert_allclose(trace.device_used - trace.process, 400)


def test_thinning_keeps_the_peak_and_the_ends():
    values = np.zeros(10_000)
    values[7777] = 1
    kept = thin(values, 100)
    assert len(kept) <= 101
    assert {0, 7777, 9999} <= set(kept)


def test_every_engine_has_one_colour_of_its_own_and_it_is_drawn(results):
    assert list(LOOKS) == list(names.ENGINES)
    assert len({style.colour for style in LOOKS.values()}) == len({s.marker for s in LOOKS.values()}) == len(LOOKS)
    runs, tables = results
    axes = throughput.draw(speeds(runs, tables["throughput"])).axes[1]
    assert [to_hex(p.get_facecolor()).upper() for p in _bars(axes)] == [look(e).colour for e in ENGINES]
    assert look("vllm").colour == "#0072B2"
    assert look("of-another-name").colour not in {style.colour for style in LOOKS.values()}


def test_equal_data_give_equal_files_and_global_state_is_left_alone(results, tmp_path):
    _, tables = results
    before = dict(mpl.rcParams)
    for attempt in ("a", "b"):
        save(kv_waste.draw(tables["kv_waste"]), [tmp_path / f"{attempt}.{ext}" for ext in ("pdf", "png", "svg")], 80)
    for ext in ("pdf", "png", "svg"):
        assert (tmp_path / f"a.{ext}").read_bytes() == (tmp_path / f"b.{ext}").read_bytes()
    assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()
    changed = tables["kv_waste"].assign(live_share_of_allocated=0.5)
    save(kv_waste.draw(changed), [tmp_path / "c.svg"], 80)
    assert (tmp_path / "c.svg").read_bytes() != (tmp_path / "a.svg").read_bytes()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("count", [1, 2, 8])
def test_layouts_grow_with_the_engines(results, count, tmp_path):
    _, tables = results
    table = pd.concat([tables["kv_waste"]] * 2, ignore_index=True).iloc[:count]
    table = table.assign(label=[f"engine-{i}" for i in range(count)])
    figure = kv_waste.draw(table, {"width_in": 3.5})
    save(figure, [tmp_path / "a.png"], 80)
    axes = figure.axes[0]
    boxes = [t.get_window_extent() for t in axes.get_yticklabels()]
    assert len(boxes) == count
    assert all(not a.overlaps(b) for a, b in pairwise(boxes))
    assert figure.get_size_inches()[0] == 3.5


def test_options_and_formats_are_checked(results, tmp_path):
    _, tables = results
    with pytest.raises(UserError, match=r"figures\.widht_in: unknown option; did you mean width_in"):
        kv_waste.draw(tables["kv_waste"], {"widht_in": 3})
    assert settle({"width_in": 3, "dpi": 80, "formats": []}, {"width_in": 7}) == {"width_in": 3}
    with pytest.raises(UserError, match="gif: unknown format"):
        save(kv_waste.draw(tables["kv_waste"]), [tmp_path / "a.gif"], 80)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1234, "0.123"), (5.678, "5.68"), (30.72, "30.7"), (219.6, "220"), (12345, "12,345")],
)
def test_three_digits(value, text):
    assert value_text(value) == text


@pytest.mark.parametrize(
    ("counts", "text"), [([6.0, np.nan], "6"), ([12, 6], "6 to 12"), ([6144], "6,144"), ([192, 6144], "192 to 6,144")]
)
def test_counts_are_a_range(counts: list[float], text: str) -> None:
    assert range_text(counts) == text

"""prefix_hits.csv from the files of a run: found tokens, reasons, units, and the pass with the cache kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.changed_runs import replace_rows
from builders.hit_runs import write_hit_run
from builders.workloads import workload

from kvbench.analysis.tables.prefix_hits import COLUMNS, table
from kvbench.analysis.tables.prefix_hits_reasons import REASONS
from kvbench.errors import UserError
from kvbench.files import read_parquet, write_parquet
from kvbench.report.tables.caches import prefix_hits_view


def row_of(root: Path, **record) -> dict:
    run, path = write_hit_run(root, **record)
    [row] = table([run], {("m", "w"): path}).to_dict("records")
    return row


def test_found_tokens_and_reasons_add_up_to_what_begins_alike(tmp_path):
    row = row_of(tmp_path)
    assert (row["requests"], row["requests_alike"], row["prompt_tokens"], row["alike_tokens"]) == (3, 1, 21, 8)
    assert (row["found_tokens"], row["found_share_of_prompts"], row["found_share_of_alike"]) == (8, 8 / 21, 1)
    assert [row[f"{name}_tokens"] for name in REASONS] == [0] * len(REASONS)
    assert (row["engine_looked_up_tokens"], row["engine_found_tokens"]) == (21, 8)
    assert (row["unit_tokens"], row["unit_rule"]) == (4, "whole blocks of 4 tokens, from the first one on")
    assert row["window_blocks"] is None


def test_a_hit_that_the_tables_do_not_explain_is_shown(tmp_path):
    """If the first request had computed two tokens only, the second could not have found eight."""
    run, path = write_hit_run(tmp_path)
    blocks = read_parquet(run.folder / "blocks.parquet").to_pandas()
    blocks.loc[blocks["request_id"] == "0", "computed_tokens"] = 2
    replace_rows(run.folder / "blocks.parquet", blocks)
    [row] = table([run], {("m", "w"): path}).to_dict("records")
    assert (row["unexplained_tokens"], row["unexplained_requests"], row["not_computed_yet_tokens"]) == (-8, 1, 8)


def test_the_pass_with_the_cache_kept_stands_beside_the_timed_ones(tmp_path):
    row = row_of(tmp_path)
    assert (row["kept_cache_found_tokens"], row["kept_cache_found_share_of_prompts"]) == (16, 16 / 21)
    assert (row["kept_cache_output_tokens_per_s"], row["emptied_cache_output_tokens_per_s"]) == (6, 2)


@pytest.mark.parametrize("record", [{"blocks_every": 2}, {"blocks_every": None}])
def test_tables_that_were_not_read_at_every_step_leave_the_reasons_unknown(tmp_path, record):
    row = row_of(tmp_path, **record)
    assert row["beyond_last_unit_tokens"] == 0
    assert [row[f"{name}_tokens"] for name in REASONS[3:]] == [None] * 4


def test_windows_are_part_of_the_unit(tmp_path):
    groups = [{"kind": "sliding", "layers": 2, "elements": 8, "window": 7}]
    row = row_of(tmp_path, groups=groups)
    assert row["window_blocks"] == 2
    assert row["unit_rule"] == "whole blocks of 4 tokens; of layers with a window, the last 2 before the end of the hit"
    assert row["found_tokens"] == 8
    assert row["unexplained_tokens"] == 0


@pytest.mark.parametrize(("interval", "ends"), [(None, "hit"), (0, "earlier ones"), (64, "every 64 tokens")])
def test_what_vllm_keeps_of_windows_beside_other_layers_is_part_of_the_unit(tmp_path, interval, ends):
    groups = [{"kind": "sliding", "layers": 1, "elements": 8, "window": 7}]
    groups.append({"kind": "full", "layers": 1, "elements": 8, "window": None})
    settings = {"given": {"prefix_sharing": True}, "in_force": {"prefix_cache_retention_interval": interval}}
    assert row_of(tmp_path, groups=groups, settings=settings)["unit_rule"].endswith(ends)


def test_only_runs_that_share_have_a_row(tmp_path):
    run, path = write_hit_run(tmp_path, settings={"given": {"prefix_sharing": False}})
    found = table([run], {("m", "w"): path})
    assert found.empty
    assert list(found) == list(COLUMNS)


def test_a_workload_of_other_requests_is_refused(tmp_path):
    run, path = write_hit_run(tmp_path)
    write_parquet(path, workload([[1]], [1], ids=["other"]))
    with pytest.raises(UserError, match=r"w\.parquet: lacks the request 0 of .*; delete the folder and run again"):
        table([run], {("m", "w"): path})


def test_the_report_leaves_out_reasons_that_did_not_occur(tmp_path):
    run, path = write_hit_run(tmp_path)
    view = prefix_hits_view(table([run], {("m", "w"): path}).assign(label="vllm"))
    assert not [name for name in view if "evicted" in name]
    assert view["engine's counters: found of (tokens)"].tolist() == ["8 of 21"]

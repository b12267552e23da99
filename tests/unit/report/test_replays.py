"""The replay section of the report has a part for each scenario."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from builders.fleets import fleet_record, fleet_scenario, fleet_table
from builders.pictures import write_picture
from builders.scenarios import STEP, of_ids, ran, replayed, write_replays

from kvbench.replay.table import rows_of
from kvbench.report.replays import sections


def test_hits_stand_in_the_table_and_the_report(tmp_path: Path) -> None:
    prompts = [[*range(8), n, n] for n in range(6)]
    own = of_ids(tmp_path, prompts, policies=["reserve-max", "paged"], max_running=3)
    found = replayed(own)
    shared = found["policies"]["paged"]["totals"]["prefix_hit_tokens"]
    assert shared > 0
    path = write_replays(tmp_path, found)
    rows = rows_of(path, "x").set_index("policy")
    assert rows.loc["paged", "prefix_hit_tokens"] == shared
    assert pd.isna(rows.loc["reserve-max", "prefix_hit_tokens"])
    [shown] = sections(rows_of(path, "x"), [])
    assert list(shown.table["found again by sharing (tokens)"]) == ["–", str(shared)]
    _, off = ran(tmp_path)
    assert off["prefix_hit_tokens"].isna().all()


def test_the_report_shows_each_scenario(tmp_path: Path) -> None:
    _, rows = ran(tmp_path, requests_per_s=2.0, step_time=STEP)
    picture = write_picture(tmp_path / "replays/x/replay_waste.svg")
    [one] = sections(rows, [picture, tmp_path / "replays/y/replay_waste.svg"])
    assert (one.name, [each.name for each in one.figures]) == ("x", ["replay_waste"])
    assert "arriving at 2 a second; time of a step: a test" in one.setting
    assert len(one.table) == len(rows)


def test_the_report_answers_how_many_replicas(tmp_path: Path) -> None:
    own = fleet_scenario(fleet={"at_most": 4})
    rows, found = rows_of(write_replays(tmp_path, replayed(own)), "x"), fleet_table(fleet_record(own))
    [shown] = sections(rows, [], found)
    needed = shown.fleets.needed.set_index(["policy", "router"])
    assert needed.loc[("paged", "round-robin"), "replicas"] == "3"
    assert needed.loc[("paged", "round-robin"), "cards"] == "3"
    assert needed.loc[("reserve-max", "round-robin"), "replicas"] == "more than were tried (4)"
    law = found.set_index("policy")["division_replicas"].groupby(level=0).first()
    assert needed.loc[("reserve-max", "round-robin"), "replicas by Little's law"] == str(law["reserve-max"])
    assert len(shown.fleets.table) == len(found)
    assert "at least 90% of them within 0.5 s to the first token and 0.2 s" in shown.fleets.limits
    [other] = sections(rows, [], found.assign(scenario="y"))
    assert other.fleets is None
    [asked] = sections(rows, [], fleet_table(fleet_record(fleet_scenario(fleet={"replicas": [2]}))))
    assert asked.fleets.needed.empty

"""The program that compares finished runs with their replays."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from builders.changed_runs import changed_record
from builders.served import write_served


@pytest.mark.parametrize("limit", [None, 3])
def test_a_line_for_each_repeat_and_a_failure_if_any_differs(
    program: Callable[[str], ModuleType], tmp_path, capsys, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    paths = [write_served(tmp_path, "vllm", rate) for rate in (1.0, 20.0)]
    if limit is not None:
        with changed_record(paths[1]) as record:
            record["settings"]["in_force"]["max_num_seqs"] = limit
    monkeypatch.setattr(sys, "argv", ["program", *(str(path.parent) for path in paths)])
    with pytest.raises(SystemExit) as end:
        program("replay_beside_live").main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["run"], one["repeat"]) for one in lines] == [(str(p.parent), n) for p in paths for n in (1, 2)]
    assert [bool(one["differing"]) for one in lines] == [False, False, limit is not None, limit is not None]
    assert bool(end.value.code) == (limit is not None)

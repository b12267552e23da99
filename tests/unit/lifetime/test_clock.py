"""A clock that was set back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kvbench.lifetime.clock import settle


def test_only_our_files_from_the_future_are_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    future, past = time.time() + 7200, time.time() - 7200
    for name, stamp in (("results/late", future), ("results/early", past), ("user", future)):
        Path(name).touch()
        os.utime(name, (stamp, stamp))
    assert settle(["results/late", "results/early", "user", "results/missing"]) == ["results/late"]
    assert Path("results/late").stat().st_mtime <= time.time()
    assert Path("results/early").stat().st_mtime == pytest.approx(past)
    assert Path("user").stat().st_mtime == pytest.approx(future)

"""What is read from the answers of SLURM's programs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from builders.slurm_programs import answering, node

from kvbench.errors import UserError
from kvbench.machine import slurm

NODES = """\
n1|main*|8|32000|gpu:a100:2(S:0-1)|1-00:00:00|idle
n1|long|8|32000|gpu:a100:2(S:0-1)|infinite|mixed
n2|main*|128+|512000+|(null)|1-00:00:00|drained
n3|main*|8|32000|(null)|1-00:00:00|idle*
n1|main*|8|32000|gpu:a100:2(S:0-1)|1-00:00:00|idle
"""


def test_nodes_are_read_once_for_each_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(tmp_path / "bin", monkeypatch, sinfo=NODES)
    assert slurm.nodes() == [
        node(),
        node(partition="long", is_default=False, limit_min=math.inf),
        node("n2", cpus=128, memory_mb=512_000, gpus=0, is_up=False),
        node("n3", gpus=0, is_up=False),  # it does not respond
    ]


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ("(null)", 0),
        ("gpu:4", 4),
        ("gpu:a100:4(S:0-1),shard:8", 4),
        ("gpu:a100:2(S:0,1),gpu:h100:1(S:1)", 3),
        ("shard:gpu:8", 0),
    ],
)
def test_gpus_are_counted_among_all_resources(resources: str, gpus: int) -> None:
    assert slurm.gpus_in(resources) == gpus


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("infinite", math.inf), ("n/a", math.inf), ("30:00", 30), ("1:30:00", 90), ("2-00:10:30", 2890.5), ("0:30", 0.5)],
)
def test_limits_are_minutes(limit: str, minutes: float) -> None:
    assert slurm.minutes(limit) == minutes


def test_settings_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(tmp_path / "bin", monkeypatch, scontrol="Configuration data as of x\nMinJobAge               = 300 sec\n")
    assert slurm.settings() == {"MinJobAge": "300 sec"}


def test_only_our_jobs_of_the_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    listing = f"""\
7|RUNNING|kvbench_0f|{tmp_path}/link|rule_run_vllm_wildcards_tiny_vllm_mine_base
8|PENDING|kvbench_0f|{tmp_path}/other|rule_run_vllm_wildcards_tiny_vllm_mine_base
9|RUNNING|mine|{tmp_path}|a job | of the user's
10|PENDING|kvbench_0f|{tmp_path}|rule_check_environment
"""
    answering(tmp_path / "bin", monkeypatch, squeue=listing)
    assert slurm.jobs_in(tmp_path) == [
        slurm.ClusterJob("7", "running", "run_vllm tiny_vllm_mine_base"),
        slurm.ClusterJob("10", "pending", "check_environment"),
    ]


def test_an_answer_that_is_none_names_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^sinfo: .*No such file.*; run this on a login node of a SLURM cluster$"):
        slurm.nodes()
    (tmp_path / "scancel").write_text("#!/bin/sh\necho 'Unable to contact\n controller' >&2\nexit 3\n")
    (tmp_path / "scancel").chmod(0o755)
    with pytest.raises(UserError, match=r"^scancel: Unable to contact controller; ask again"):
        slurm.cancel(["7"])

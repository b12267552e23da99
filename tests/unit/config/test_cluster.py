"""What jobs ask of SLURM, and what is refused before any is submitted."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from builders.overlaid import overlaid
from builders.places import ROOT
from builders.slurm_programs import node

from kvbench.config.cluster import LEAST_AGE_S, MEASURING, arguments, device_of, status_arguments
from kvbench.config.settings import validate
from kvbench.config.wording import Invalid
from kvbench.errors import UserError

SCHEMA = ROOT / "schemas/config.schema.yaml"
RULES = (*MEASURING, "run_replay")


def asked(*nodes: Any, cuda: bool = False, **cluster: Any) -> dict[str, list[str]]:
    """The values of each option."""
    config = validate({**overlaid(), "cluster": cluster}, SCHEMA)
    found: dict[str, list[str]] = {}
    for word in arguments(config, nodes or [node()], RULES, cuda=cuda):
        if word.startswith("--"):
            values = found.setdefault(word, [])
        else:
            values.append(word)
    return found


def test_a_measurement_gets_the_smallest_node_whole() -> None:
    nodes = [node("n1"), node("n2", cpus=128, memory_mb=1_000_000)]
    found = asked(*nodes)
    assert found["--cores"] == ["8"]
    assert found["--resources"] == ["measure=1", "gpu=1"]
    assert found["--set-threads"] == [f"{rule}=8" for rule in MEASURING]
    for rule in MEASURING:
        own = [value for value in found["--set-resources"] if value.startswith(f"{rule}:")]
        assert own == [f"{rule}:mem_mb=28800", f"{rule}:runtime=240", f"{rule}:slurm_extra='--exclusive'"]
    assert found["--default-resources"] == ["mem_mb=8192", "runtime=60"]


def test_a_node_of_two_cpus_is_enough() -> None:
    found = asked(node(cpus=2, memory_mb=4000, gpus=0, limit_min=30.0))
    assert found["--cores"] == ["2"]
    assert "run_vllm:mem_mb=3600" in found["--set-resources"]
    assert "run_vllm:runtime=30" in found["--set-resources"]
    assert found["--default-resources"] == ["mem_mb=3600", "runtime=30"]


def test_what_is_asked_for_by_rule_goes_before_the_rest() -> None:
    own = {"run_replay": {"cpus": 2, "memory_gib": 1.5}, "run_vllm": {"runtime_min": 600}}
    found = asked(
        rules=own, measuring={"cpus": 4, "memory_gib": 16}, exclusive=False, nodes=3, account="ours", partition="main"
    )
    assert found["--cores"] == ["4"]
    assert found["--resources"] == ["measure=3", "gpu=3"]
    assert "run_replay=2" in found["--set-threads"]
    assert {"run_replay:mem_mb=1536", "run_replay:runtime=60"} <= set(found["--set-resources"])
    assert {"run_vllm:mem_mb=16384", "run_vllm:runtime=600"} <= set(found["--set-resources"])
    assert not any("exclusive" in value for value in found["--set-resources"])
    assert found["--default-resources"][2:] == ["slurm_partition='main'", "slurm_account='ours'"]


def test_only_nodes_that_are_up_and_have_the_gpus_count() -> None:
    nodes = [node("n1", cpus=2, gpus=0), node("n2", cpus=4, is_up=False), node("n3", cpus=64)]
    assert asked(*nodes, cuda=True)["--cores"] == ["64"]
    assert asked(*nodes)["--cores"] == ["2"]
    assert asked(*nodes, node("n4", partition="big", is_default=False, cpus=96), partition="big")["--cores"] == ["96"]


@pytest.mark.parametrize(
    ("nodes", "cluster", "cuda", "told"),
    [
        (
            [],
            {"measuring": {"cpus": 9}},
            False,
            "cluster.measuring.cpus: 9 CPUs, but no node of partition main has more",
        ),
        (
            [],
            {"rules": {"run_replay": {"memory_gib": 40}}},
            False,
            "cluster.rules.run_replay.memory_gib: 40960 MiB, b",
        ),
        (
            [],
            {"others": {"runtime_min": 1441}},
            False,
            "cluster.others.runtime_min: 1441 min, but no node of part",
        ),
        ([], {"rules": {"run_vlm": {}}}, False, "cluster.rules.run_vlm: unknown rule; did you mean run_vllm?"),
        ([], {"partition": "maim"}, False, "cluster.partition: maim is unknown to SLURM; did you mean main?"),
        ([node(is_up=False)], {}, False, "cluster.partition: no node of main takes jobs; see sinfo"),
        ([node(is_default=False)], {}, False, "cluster.partition: SLURM has no default; set one of: main"),
        (
            [node(gpus=0)],
            {},
            True,
            "gpus: 1 for a run, but no node of partition main that is up has more than 0",
        ),
        (
            [node(), node(cpus=64, memory_mb=8000)],
            {"measuring": {"cpus": 64, "memory_gib": 16}},
            False,
            "cluster.measuring: no node of partition main has 64 CPUs and 16384 MiB; lower cpus or memory_gib",
        ),
    ],
)
def test_what_no_node_can_meet_names_the_key(nodes: list, cluster: dict, cuda: bool, told: str) -> None:
    with pytest.raises(Invalid, match=f"^{re.escape(told)}"):
        asked(*nodes, cuda=cuda, **cluster)


@pytest.mark.parametrize(
    ("age", "accounting", "command"),
    [
        ("300 sec", "accounting_storage/none", "squeue"),
        (f"{LEAST_AGE_S} sec", "accounting_storage/slurmdbd", "squeue"),
        ("60 sec", "accounting_storage/slurmdbd", "sacct"),
        ("0 sec", "accounting_storage/slurmdbd", "sacct"),
    ],
)
def test_the_end_of_a_job_is_looked_for_where_it_can_be_seen(age: str, accounting: str, command: str) -> None:
    settings = {"MinJobAge": age, "AccountingStorageType": accounting}
    assert status_arguments(settings) == ["--slurm-status-command", command]


@pytest.mark.parametrize("settings", [{"MinJobAge": "60 sec"}, {"AccountingStorageType": "accounting_storage/none"}])
def test_a_slurm_whose_jobs_would_be_waited_for_without_end_is_refused(settings: dict) -> None:
    with pytest.raises(UserError, match="no accounting: its end could be missed; ask the administrator for MinJobAge="):
        status_arguments(settings)


def test_a_partition_without_a_limit_lets_jobs_have_their_usual_time() -> None:
    assert "run_vllm:runtime=240" in asked(node(limit_min=math.inf))["--set-resources"]


@pytest.mark.parametrize(
    ("device", "partition", "has_cuda", "found"),
    [
        ("auto", "", True, "cuda"),
        ("auto", "", False, "cpu"),
        ("auto", "old", True, "cpu"),
        ("cpu", "", True, "cpu"),
        ("cuda", "old", False, "cuda"),
    ],
)
def test_the_nodes_and_the_packages_say_where_engines_run(
    device: str, partition: str, has_cuda: bool, found: str
) -> None:
    nodes = [node(), node(partition="old", is_default=False, gpus=0)]
    config = {"device": device, "cluster": {"partition": partition}}
    assert device_of(config, nodes, has_cuda=has_cuda) == found

"""The id of a host: equal on one machine, another on any other, and neither name nor UUID can be read from it."""

import os
import platform
import sys

import pytest
from builders.pynvml import fake_pynvml

from kvbench.machine.host import gpu_id, host_id, host_record, shown_gpu_ids
from kvbench.machine.nvml import Session


@pytest.fixture
def session(monkeypatch):
    two = fake_pynvml(gpus=2)
    two.nvmlDeviceGetUUID = "GPU-of-{}".format
    monkeypatch.setitem(sys.modules, "pynvml", two)
    return Session()


def test_the_id_is_of_the_name_and_the_cards_in_any_order(session):
    cards = session.infos()
    assert host_id("one", cards) == host_id("one", cards[::-1])
    assert len({host_id("one", cards), host_id("two", cards), host_id("one", cards[:1]), host_id("one", ())}) == 4


def test_name_and_uuids_cannot_be_read_from_the_record(session):
    told = str(host_record(session))
    assert platform.node() not in told
    assert not any(card.uuid in told for card in session.infos())


def test_the_record_has_the_cards_that_the_run_has(session):
    both = session.infos()
    whole = host_record(session)
    assert whole["gpus"] == ["NVIDIA H100 80GB HBM3"] * 2
    session.keep([both[1].uuid])
    record = host_record(session)
    assert record["gpus"] == ["NVIDIA H100 80GB HBM3"]
    assert record["gpu_ids"] == whole["gpu_ids"][1:] == [gpu_id(both[1].uuid)]
    assert record["driver"] == "580.95.05"


def test_runs_on_different_cards_of_a_machine_name_one_host(session):
    both, ids = session.infos(), set()
    for card in both:
        one = Session()
        one.keep([card.uuid])
        ids.add(host_record(one)["id"])
    assert ids == {host_record(session)["id"]}


def test_the_cards_that_cuda_shows_are_named_in_its_order(session, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert shown_gpu_ids() == [gpu_id(card.uuid) for card in session.infos()[::-1]]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert shown_gpu_ids() == [gpu_id(session.infos()[1].uuid)]
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_run_on_the_cpu_names_no_driver_and_keeps_its_id_whatever_cards_are_there(session):
    session.keep(())
    record = host_record(session)
    assert (record["gpus"], record["gpu_ids"], record["driver"]) == ([], [], None)
    assert record["id"] == host_id(platform.node(), ())
    assert record["cpu"]

"""The id of a host: equal on one machine, another on any other, and neither name nor UUID can be read from it."""

import platform
import sys

import pytest
from builders.pynvml import fake_pynvml

from kvbench.machine.host import host_id, host_record
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
    assert host_record(session)["gpus"] == ["NVIDIA H100 80GB HBM3"] * 2
    session.keep([session.infos()[1].uuid])
    record = host_record(session)
    assert record["gpus"] == ["NVIDIA H100 80GB HBM3"]
    assert record["driver"] == "580.95.05"


def test_a_run_on_the_cpu_names_no_driver_and_keeps_its_id_whatever_cards_are_there(session):
    session.keep(())
    record = host_record(session)
    assert (record["gpus"], record["driver"]) == ([], None)
    assert record["id"] == host_id(platform.node(), ())
    assert record["cpu"]

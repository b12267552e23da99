"""The machine that a run was measured on, so that tables can tell the hosts of one results folder apart."""

from __future__ import annotations

import platform
from collections.abc import Collection
from hashlib import sha256
from typing import Any

from kvbench.machine.cards import choose_cards, in_nvml_order
from kvbench.machine.cpu import cpu_facts
from kvbench.machine.nvml import GpuInfo, Session

ID_DIGITS = 8


def host_record(session: Session) -> dict[str, Any]:
    """The entry `host` of run.json: `id`, CPU, and the cards and driver that `session` is restricted to."""
    cards = session.infos()
    cpu = cpu_facts()
    return {
        "id": host_id(platform.node(), session.infos_of_host() if cards else ()),
        "cpu": cpu["model"],
        "cpus": cpu["cpus"],
        "cpus_usable": cpu["cpus_usable"],
        "gpus": [card.name for card in cards],
        "gpu_ids": [gpu_id(card.uuid) for card in cards],
        "driver": session.driver_version if cards else None,
    }


def host_id(name: str, cards: Collection[GpuInfo]) -> str:
    """Digits of a digest of the host's name and its cards' UUIDs, neither of which can be read from it.

    A container without a fixed host name counts as another host each time that it is made, and so does a part of a
    machine whose driver lists only some of its cards.
    """
    return _digits("\n".join([name, *sorted(card.uuid for card in cards)]))


def gpu_id(uuid: str) -> str:
    """Digits of a digest of a card's UUID, which cannot be read from it."""
    return _digits(uuid)


def shown_gpu_ids() -> list[str]:
    """The `gpu_id` of each card that CUDA shows, in its order. Call it before torch is loaded."""
    in_nvml_order()
    with Session() as session:
        return [gpu_id(card.uuid) for card in choose_cards(session, None)]


def _digits(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:ID_DIGITS]

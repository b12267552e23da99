"""Reads conversations as LMSYS-Chat-1M has them, one on each line of JSONL or in a JSON list."""

from __future__ import annotations

from collections.abc import Iterator

from kvbench.workload.formats.conversations import Conversation, requests_of, turns_of
from kvbench.workload.formats.json_items import placed_items
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row


def lmsys_rows(source: RequestFile) -> Iterator[Row]:
    """The requests of each conversation, as `turns` of the file says."""
    return requests_of(_conversations(source), source.turns)


def _conversations(source: RequestFile) -> Iterator[Conversation]:
    for place, number, entry in placed_items(source.path):
        turns = turns_of(entry, "conversation", "role", "content", place)
        yield Conversation(place, number, entry.get("conversation_id"), turns)

"""Reads ShareGPT: conversations in a JSON list, or one on each line of JSONL."""

from __future__ import annotations

from collections.abc import Iterator

from kvbench.workload.formats.conversations import Conversation, requests_of, turns_of
from kvbench.workload.formats.json_items import placed_items
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row


def sharegpt_rows(source: RequestFile) -> Iterator[Row]:
    """The requests of each conversation, as `turns` of the file says."""
    return requests_of(_conversations(source), source.turns)


def _conversations(source: RequestFile) -> Iterator[Conversation]:
    for place, number, entry in placed_items(source.path):
        turns = turns_of(entry, "conversations", "from", "value", place)
        yield Conversation(place, number, entry.get("id"), turns)

"""Reads requests of OpenAI's batch API: JSONL with a `custom_id` and the `body` of each request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.json_lines import entries
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row, length, prompt, request_id, row_of, token_ids

LIMITS = ("max_completion_tokens", "max_tokens")


def openai_batch_rows(source: RequestFile) -> Iterator[Row]:
    """A request for each line; of the body only the prompt or messages and the largest number of tokens are read."""
    for place, line, entry in entries(source.path):
        body = entry.get("body")
        if not isinstance(body, dict):
            raise UserError(f"{place}: no body with a request; give lines of OpenAI's batch API, or correct format")
        if len(body.keys() & {"prompt", "messages"}) != 1:
            raise UserError(f"{place}: give either messages or prompt in body")
        yield row_of(place, _row, request_id(entry.get("custom_id", line), place), body, source.output_tokens)


def _row(place: str, name: str, body: dict[str, Any], otherwise: int | None) -> Row:
    """The request; the model may have ended it earlier than at the number of tokens that it generates here."""
    limit = next((key for key in LIMITS if body.get(key) is not None), LIMITS[0])
    wanted = otherwise if body.get(limit) is None else body[limit]
    row = Row(place, name, output_tokens=length(wanted, limit, place))
    if "messages" in body:
        row.text = prompt(_said(body["messages"], place), place)
    elif isinstance(body["prompt"], list):
        row.ids = token_ids(body["prompt"], place)
    else:
        row.text = prompt(body["prompt"], place)
    return row


def _said(messages: Any, place: str) -> str:
    """The texts of all messages, each on a line of its own."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise UserError(f"{place}: messages is not a list of objects; give role and content of each")
    return "\n".join(text for message in messages if (text := _content(message.get("content"), place)))


def _content(content: Any, place: str) -> str:
    """The text of a message: text, nothing (of an assistant that called a tool), or a list of parts that are text."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise UserError(f"{place}: content of a message is not text; leave out requests with images or sound")
    return "\n".join(part["text"] for part in parts)

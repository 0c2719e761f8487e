"""Server-sent events, and the text in those of a chat: read from bytes that are cut anywhere."""

from __future__ import annotations

import json
import re
from typing import Any

from emotalk.core.errors import ChatError

LONGEST_LINE = 2**18
"""Bytes of a line at most; a piece of an answer has some hundred."""
DONE = "[DONE]"
_HALVES = re.compile("[\ud800-\udfff]")
"""Halves of letters: JSON may hold them, the next request could not."""
_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


class EventReader:
    """The data of server-sent events (text/event-stream), in order; lines may end in any of the three ways."""

    def __init__(self) -> None:
        self._rest, self._data = b"", []
        self._begun = False
        self._searched = 0  # bytes of the rest that hold no end of a line

    def push(self, part: bytes) -> list[str]:
        """The data of the events that these bytes complete. Raises ChatError for a line that does not end."""
        found = []
        self._rest += part
        at = 0
        for end in _END.finditer(self._rest, self._searched):
            found += self._line(self._rest[at : end.start()])
            at = end.end()
        self._rest = self._rest[at:]
        self._searched = max(0, len(self._rest) - 1)  # a \r at the end needs what follows it
        if len(self._rest) > LONGEST_LINE:
            raise ChatError(
                f"The chat server sent a line of more than {LONGEST_LINE:,} bytes; a piece of an answer is far "
                "shorter. Check that the address is that of a chat server."
            )
        return found

    def finish(self) -> list[str]:
        """The data of an event that the stream ended within."""
        rest, self._rest = self._rest, b""
        return self._line(rest.rstrip(b"\r")) + self._line(b"")

    def _line(self, line: bytes) -> list[str]:
        text = line.decode("utf-8", "replace")
        if not self._begun:
            text, self._begun = text.removeprefix("\ufeff"), True
        if not text:
            data, self._data = self._data, []
            return ["\n".join(data)] if data else []
        name, _, value = text.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return []


def texts_of(data: str) -> list[str]:
    """The pieces of text in an event's data; none in what says something else. Raises ChatError where it tells of an
    error, in the words that the server gives for it."""
    found = []
    for said in _tables(data):
        found += [text for text in (text_of(said),) if text]
    return found


def text_of(said: Any) -> str:
    """The text in a piece of an answer, or in a whole one, as JSON has it; "" where there is none. Raises ChatError."""
    if not isinstance(said, dict):
        return ""
    if said.get("error"):
        raise ChatError(error_words(said) or "it tells of an error")
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return ""
    for name in ("delta", "message"):
        if isinstance(choice.get(name), dict):
            return _content(choice[name].get("content"))
    return _content(choice.get("text"))


def error_words(said: Any) -> str:
    """What a server says about an error in its JSON; "" where it says nothing."""
    if not isinstance(said, dict):
        return ""
    error = said.get("error") or said.get("message") or said.get("detail")
    error = error.get("message") if isinstance(error, dict) else error
    return error if isinstance(error, str) else ""


def table_in(data: str | bytes) -> Any:
    """The JSON in a text; None where there is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _tables(data: str) -> list[Any]:
    whole = table_in(data)
    # Some servers leave out the empty line between two events.
    return [whole] if whole is not None else [table_in(line) for line in data.split("\n")]


def _content(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        content = "".join(part for part in parts if isinstance(part, str))
    return _HALVES.sub("", content) if isinstance(content, str) else ""

"""An event of the log as a line: JSON for machines, or text for people."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic_core import to_json

LogFormat = Literal["auto", "json", "text"]
Event = Mapping[str, Any]
ToLine = Callable[[Event], bytes]

# Select Graphic Rendition, of ECMA-48.
COLOURS = {
    "debug": "\x1b[2m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
PLAIN = "\x1b[0m"
FIRST = ("time", "level", "process", "message")
LAST = "exception"
WIDTHS = {"level": 8, "process": 12}


def choose_format(wanted: LogFormat, fd: int) -> ToLine:
    """How events become lines for whoever reads `fd`.

    Args:
        wanted: `auto` is text where that is a terminal, and JSON elsewhere.
        fd: Of a file, pipe or terminal.
    """
    is_terminal = os.isatty(fd)
    if wanted == "json" or (wanted == "auto" and not is_terminal):
        return json_line
    colour = is_terminal and not os.environ.get("NO_COLOR")  # https://no-color.org
    return lambda event: text_line(event, colour=colour)


def json_line(event: Event) -> bytes:
    """The event as one line of JSON."""
    return to_json(event) + b"\n"


def text_line(event: Event, *, colour: bool = False) -> bytes:
    """The event as one line to read, and its exception in indented lines below.

    Whatever a stranger had a part in is shown so that it ends no line, imitates none
    and tells a terminal nothing.

    Args:
        event: With the facts `FIRST`, others by name, and perhaps `LAST`.
        colour: Whether its level may show as one.
    """
    head = [_readable(str(event[name])).ljust(WIDTHS.get(name, 0)) for name in FIRST]
    others = event.keys() - {*FIRST, LAST}
    facts = [f"{name}={_value(event[name])}" for name in event if name in others]
    line = " ".join(head + facts)
    shade = COLOURS.get(event["level"], "") if colour else ""
    if shade:
        line = f"{shade}{line}{PLAIN}"
    below = str(event.get(LAST, "")).splitlines()
    lines = [line, *("    " + _readable(each) for each in below)]
    return ("\n".join(lines) + "\n").encode(errors="backslashreplace")


def _value(fact: Any) -> str:
    if isinstance(fact, list | tuple):
        return ",".join(map(_value, fact))
    text = str(fact)
    is_plain = text.isprintable() and not set(text) & set(' "=,')
    return text if text and is_plain else json.dumps(text)


def _readable(text: str) -> str:
    if text.isprintable():
        return text
    shown = [each if each.isprintable() else ascii(each)[1:-1] for each in text]
    return "".join(shown)

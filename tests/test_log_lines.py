"""Events of the log, as machines and people read them."""

import json
import os
import pty
from pathlib import Path

import pytest

from service.log_lines import Event, LogFormat, choose_format, json_line, text_line

REQUEST: Event = {
    "time": "2026-11-26T09:26:12.123+00:00",
    "level": "info",
    "process": "http-0",
    "message": "request",
    "request_id": "abc",
    "path": "/v1/predict/digits",
    "status": 200,
    "ms": 3.21,
}
FAILURE: Event = {
    **REQUEST,
    "level": "error",
    "message": "a batch failed",
    "request_ids": ["abc", "def"],
    "exception": "Traceback:\n  it\nValueError: no\n",
}


def test_text_has_the_facts_of_json_in_one_line() -> None:
    assert text_line(REQUEST).decode() == (
        "2026-11-26T09:26:12.123+00:00 info     http-0       request "
        "request_id=abc path=/v1/predict/digits status=200 ms=3.21\n"
    )
    assert json.loads(json_line(REQUEST)) == REQUEST


def test_an_exception_stands_in_indented_lines_below() -> None:
    first, *below = text_line(FAILURE).decode().splitlines()
    assert first.endswith("ms=3.21 request_ids=abc,def")
    assert below == ["    Traceback:", "      it", "    ValueError: no"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a b", '"/a b"'),
        ("/a\n2026 error", '"/a\\n2026 error"'),
        ("/\x1b[2J", '"/\\u001b[2J"'),
        ("/\x9b2J", '"/\\u009b2J"'),
        ("/\u202egnp", '"/\\u202egnp"'),
        ("/ä", "/ä"),
        ('/"', '"/\\""'),
        ("", '""'),
        ("/\ud800", '"/\\ud800"'),
    ],
)
def test_a_stranger_s_path_ends_no_line_and_controls_no_terminal(
    path: str, shown: str
) -> None:
    line = text_line({**REQUEST, "path": path}, colour=True).decode()
    assert f" path={shown} status=200 " in line
    assert line.count("\n") == 1


def test_a_message_of_several_lines_stays_one() -> None:
    line = text_line({**REQUEST, "message": "a\nb\x1b[31m"}).decode()
    assert " a\\nb\\x1b[31m request_id=" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("wanted", "expected"), [("auto", "json"), ("json", "json"), ("text", "text")]
)
def test_a_file_gets_json_unless_text_is_wanted(
    wanted: LogFormat, expected: str
) -> None:
    line = {"json": json_line, "text": text_line}[expected](FAILURE)
    with Path(os.devnull).open("wb") as file:
        to_line = choose_format(wanted, file.fileno())
    assert to_line(FAILURE) == line


def test_a_terminal_gets_text_in_colour_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, other_end = pty.openpty()
    assert choose_format("auto", other_end)(FAILURE).startswith(b"\x1b[31m2026")
    assert choose_format("auto", other_end)(REQUEST) == text_line(REQUEST)
    assert choose_format("json", other_end)(FAILURE) == json_line(FAILURE)
    monkeypatch.setenv("NO_COLOR", "1")
    assert choose_format("text", other_end)(FAILURE) == text_line(FAILURE)
    os.close(terminal)
    os.close(other_end)

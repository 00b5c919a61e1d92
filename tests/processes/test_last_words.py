"""What a process said last, with and without what it said while it was starting."""

import pytest

from service.processes import last_words
from service.processes.last_words import LAST_WORDS, LastWords


def greet(words: LastWords, said: bytes) -> None:
    words.feed(said)
    words.greets = False


def test_who_dies_at_once_may_have_said_why_while_it_was_starting() -> None:
    words = LastWords("engine")
    greet(words, b"these are my last words\n")
    assert words.lines == ("these are my last words",)
    assert words.quoted() == ", saying: these are my last words"


def test_a_greeting_is_no_last_word_of_who_has_lived_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_words, "SETTLED_S", -1.0)
    words = LastWords("engine")
    greet(words, b"no GPU found\n")
    assert not words.lines
    assert words.quoted() == ""


def test_a_greeting_does_not_take_the_place_of_what_is_said_after_it() -> None:
    words = LastWords("engine")
    greet(words, b"no GPU found\nthese are")
    words.feed(b" my last words\n")
    assert words.lines == ("these are my last words",)


def test_an_earlier_greeting_is_nobodys_last_word() -> None:
    words = LastWords("tensorflow-0")
    greet(words, b"no GPU found\n")
    words.greets = True
    assert not words.lines


def test_what_has_no_end_of_line_is_said_at_the_end() -> None:
    words = LastWords("engine")
    words.feed(b"half a line")
    assert not words.lines
    words.end()
    assert words.lines == ("half a line",)


def test_only_the_last_lines_are_kept() -> None:
    words = LastWords("engine")
    words.feed(b"".join(b"%d\n" % line for line in range(2 * LAST_WORDS)))
    assert words.lines == tuple(map(str, range(LAST_WORDS, 2 * LAST_WORDS)))

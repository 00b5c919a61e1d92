"""What is wrong with what was sent or written, in our words: expected, received.

Pydantic's errors become ours here, and nowhere else. Whatever came, what is said of it
is short: an echo is cut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

ECHO_CHARACTERS = 48  # of a value that was sent
FIELD_CHARACTERS = 96  # of the way to a field, whose names may be the caller's
FAULT_CHARACTERS = 600
MOST_TOLD = 3  # faults of a file

UNKNOWN_WORD = "unknown_word"
UNION = "tagged-union["  # how Pydantic begins the name of a choice, which no file has

Context = Mapping[str, Any]
Expected = str | Callable[[Context], str]

INTEGER, NUMBER = "a valid integer", "a valid number"
LIST, OBJECT = "a list", "an object"

EXPECTED: dict[str, Expected] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": OBJECT,
    "extra_forbidden": "no such field",
    "enum": lambda told: told["expected"],
    "finite_number": "a finite number",
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "greater_than": lambda told: f"a value greater than {told['gt']}",
    "greater_than_equal": lambda told: f"a value greater than or equal to {told['ge']}",
    "int_from_float": INTEGER,
    "int_parsing": INTEGER,
    "int_parsing_size": "an integer of fewer digits",
    "int_type": INTEGER,
    "less_than": lambda told: f"a value less than {told['lt']}",
    "less_than_equal": lambda told: f"a value less than or equal to {told['le']}",
    "list_type": LIST,
    "literal_error": lambda told: told["expected"],
    "model_attributes_type": OBJECT,
    "model_type": OBJECT,
    "string_too_long": lambda told: _size("at most", told["max_length"], "character"),
    "string_too_short": lambda told: _size("at least", told["min_length"], "character"),
    "string_type": "text",
    "too_long": lambda told: _size("at most", told["max_length"], "item"),
    "too_short": lambda told: _size("at least", told["min_length"], "item"),
    "tuple_type": LIST,
    "union_tag_not_found": lambda told: f"an object with {told['discriminator']}",
}
"""By the type of Pydantic's error, what was expected; a test knows all that our schemas
can give."""


def show(value: Any) -> str:
    """A value that was sent, in few characters and at little cost."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return repr(cut(value, ECHO_CHARACTERS))
    if isinstance(value, list):
        return f"list of {len(value):,}"
    if isinstance(value, dict):
        return f"object of {len(value):,}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of some {1 + int(value.bit_length() * 0.30103):,} digits"
    return repr(cut(str(value), ECHO_CHARACTERS))


def cut(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis: at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def suggest(name: str, known: Iterable[str]) -> str:
    """'; did you mean …?' where a known name is like this one, else nothing."""
    found = get_close_matches(name[:FIELD_CHARACTERS].lower(), known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def describe_faults(faults: Sequence[Mapping[str, Any]], *above: str) -> str:
    """The first faults of a file, each with the way to its field.

    Args:
        faults: At least one, as `ValidationError.errors` gives them.
        above: What the way begins with.
    """
    told = [_place(each, above) + say_fault(each) for each in faults[:MOST_TOLD]]
    more = len(faults) - MOST_TOLD
    return "; ".join(told) + (f" (and {more:,} more)" if more > 0 else "")


def _place(fault: Mapping[str, Any], above: Sequence[str]) -> str:
    parts = [str(part) for part in (*above, *fault["loc"])]
    place = ".".join(part for part in parts if not part.startswith(UNION))
    return f"{cut(place, FIELD_CHARACTERS)}: " if place else ""


def say_fault(error: Mapping[str, Any]) -> str:
    """One of Pydantic's errors: what was expected, and what received."""
    kind, told = error["type"], error.get("ctx") or {}
    if kind == "missing":
        return "Field required: expected a value, received nothing"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind == UNKNOWN_WORD:
        return _describe_word(error["input"], told["known"])
    if kind == "union_tag_invalid":
        kinds = told["expected_tags"].replace("'", "")
        what = f"a {told['discriminator']} of {kinds}"
        return f"expected {what}; received {show(told['tag'])}"
    if kind == "json_invalid":
        return f"expected JSON, received {told['error']}"
    received = told.get("actual_length", show(error.get("input")))
    expected = EXPECTED.get(kind)
    if expected is None:
        said = error["msg"].replace("Input should be", "expected")
        return f"{said}, received {received}"
    said = expected if isinstance(expected, str) else expected(told)
    return f"expected {said}, received {received}"


def _describe_word(given: Any, known: Sequence[str]) -> str:
    """Here, and not where it is found: of many faults ten are told."""
    *most, last = known
    listed = f"{', '.join(most)} or {last}" if most else last
    near = suggest(given, known) if isinstance(given, str) else ""
    listed = cut(listed, FAULT_CHARACTERS // 2)
    return f"expected {listed}, received {show(given)}{near}"


def _size(bound: str, number: int, what: str) -> str:
    return f"{bound} {number:,} {what}{'' if number == 1 else 's'}"

"""What is wrong with a request, in the house's words: what, expected, received.

Pydantic's errors become ours here, and nowhere else. Whatever was sent, what is said of
it is short: an echo is cut, and of many faults ten are told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticCustomError

from service.errors import InvalidInput

MOST_FAULTS = 10
ECHO_CHARACTERS = 48  # of a value that was sent
FIELD_CHARACTERS = 96  # of the way to a field, whose names may be the caller's
FAULT_CHARACTERS = 600

UNKNOWN_FIELDS = "unknown_fields"
UNKNOWN_WORD = "unknown_word"

Context = Mapping[str, Any]
Expected = str | Callable[[Context], str]

INTEGER, NUMBER = "a valid integer", "a valid number"
LIST, OBJECT = "a list", "an object"

EXPECTED: dict[str, Expected] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": OBJECT,
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
}
"""By the type of Pydantic's error, what was expected; a test knows all that our schemas
can give."""


def describe(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """Pydantic's errors as ours.

    Args:
        errors: At least one, as `ValidationError.errors` gives them.
    """
    told = [fault for each in errors[:MOST_FAULTS] for fault in _faults(each)]
    details = [
        {"field": cut(field, FIELD_CHARACTERS), "error": cut(error, FAULT_CHARACTERS)}
        for field, error in told[:MOST_FAULTS]
    ]
    first = f"{details[0]['field']}: {details[0]['error']}"
    others = len(errors) + len(told) - min(len(errors), MOST_FAULTS) - 1
    more = f" (and {others:,} more)" if others else ""
    return InvalidInput(f"The request is not valid: {first}{more}.", details=details)


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


def check_names(given: Mapping[str, Any], known: Mapping[str, None]) -> None:
    """Refuse an object with names that are not known, in one error however many.

    Raises:
        PydanticCustomError: Names the first ones; `describe` understands it.
    """
    if given.keys() <= known.keys():
        return
    unknown = [name for name in given if name not in known]
    told = {"unknown": unknown[:MOST_FAULTS], "known": [*known]}
    raise PydanticCustomError(UNKNOWN_FIELDS, "unknown names", told)


def describe_unknown(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """What is said of each name that is none of those known."""
    listed = f"one of {', '.join(known)}" if known else "no name at all"
    return [
        f"expected {'a known name' if number else listed}, received {show(name)}, "
        f"which is not permitted{suggest(name, known)}"
        for number, name in enumerate(names)
    ]


def _faults(error: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields that one error is about, and what is wrong with each."""
    place = [str(part) for part in error["loc"]]
    if error["type"] == UNKNOWN_FIELDS:
        names = error["ctx"]["unknown"]
        said = describe_unknown(names, error["ctx"]["known"])
        return [
            (".".join([*place, name]), what)
            for name, what in zip(names, said, strict=True)
        ]
    return [(".".join(place) or "body", _say(error))]


def _say(error: Mapping[str, Any]) -> str:
    kind, told = error["type"], error.get("ctx") or {}
    if kind == "missing":
        return "Field required: expected a value, received nothing"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind == UNKNOWN_WORD:
        return _describe_word(error["input"], told["known"])
    received = told.get("actual_length", show(error.get("input")))
    expected = EXPECTED.get(kind)
    if expected is None:
        return f"{error['msg']}, received {received}"
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

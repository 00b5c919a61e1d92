"""What is wrong with a request: its fields, and of many faults ten."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from service.errors import InvalidInput
from service.wording import (
    FAULT_CHARACTERS,
    FIELD_CHARACTERS,
    cut,
    say_fault,
    show,
    suggest,
)

MOST_FAULTS = 10

UNKNOWN_FIELDS = "unknown_fields"


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
    return [(".".join(place) or "body", say_fault(error))]

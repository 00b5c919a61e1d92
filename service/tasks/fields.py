"""The fields of a table to Pydantic's, JSON Schema's and a model's numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from service.contract.dtypes import number_range
from service.contract.table import TableField
from service.web.api.schemas import Schema
from service.web.http.body import RequestModel
from service.wording import UNKNOWN_WORD, show

LARGEST = 1e300  # of a number: beyond it arithmetic soon has none
YES, NO = ("true", "yes", "1"), ("false", "no", "0")

Read = Callable[[Any], Any]


class Record(RequestModel):
    """One record, by the names of its fields."""

    missing: ClassVar[list[Any]] = []  # what the model is given if nothing is known

    def values(self) -> list[Any]:
        """What the model is given, in the order of the fields."""
        return [getattr(self, f"field_{index}") for index in range(len(self.missing))]

    def is_blank(self) -> bool:
        """Whether nothing is known."""
        return self.values() == self.missing


def record_model(
    fields: Sequence[TableField],
    dtypes: Sequence[str],
    base: type[Record] = Record,
    **more: Any,
) -> Any:
    """The schema of a record with these fields.

    Args:
        fields: As the task declares them.
        dtypes: What the model takes each as.
        base: What it is made of, besides.
        more: Further fields, as Pydantic's `create_model` takes them.
    """
    columns: dict[str, Any] = {
        f"field_{index}": _column(field, dtype)
        for index, (field, dtype) in enumerate(zip(fields, dtypes, strict=True))
    }
    made: Any = create_model(
        base.__name__, __base__=base, __doc__=base.__doc__, **columns, **more
    )
    made.missing = [missing(field) for field in fields]
    return made


def read_text(field: TableField, text: str) -> Any:
    """A cell of a CSV file as JSON would carry it; None where it is empty.

    What cannot be read is left as it is, for the check that comes next.
    """
    cell = text.strip()
    if not cell:
        return None
    if field.kind in ("number", "integer"):
        try:
            return float(cell)
        except ValueError:
            return cell
    if field.kind == "boolean":
        lower = cell.lower()
        return lower in YES if lower in (*YES, *NO) else cell
    return cell


def missing(field: TableField) -> Any:
    """What the model is given where nothing is known."""
    return math.nan if field.missing is None else field.missing


def _column(field: TableField, dtype: str) -> tuple[Any, Any]:
    schema = WithJsonSchema(_schema(field, dtype))
    kind = Annotated[Any, BeforeValidator(_reader(field)), schema]
    if field.optional:
        return kind, Field(default_factory=lambda: missing(field), alias=field.name)
    return kind, Field(alias=field.name)


def _reader(field: TableField) -> Read:
    """What checks one value, and gives what the model is to be given."""
    check = {
        "category": _read_word,
        "boolean": _read_truth,
        "integer": _read_number,
        "number": _read_number,
    }[field.kind]

    def read(value: Any) -> Any:
        if field.optional and (value is None or value == field.missing_word):
            return missing(field)
        return check(field, value)

    return read


def _read_word(field: TableField, value: Any) -> str:
    if not isinstance(value, str) or value not in field.words:
        raise PydanticCustomError(UNKNOWN_WORD, "unknown word", {"known": field.words})
    return value


def _read_truth(field: TableField, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, received {show(value)}")
    return value


def _read_number(field: TableField, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not _is_within(field, value):
        raise ValueError(f"expected {_describe(field)}, received {show(value)}")
    return int(value) if field.kind == "integer" else float(value)


def _is_within(field: TableField, value: float) -> bool:
    low, high = bounds(field)
    return low <= value <= high and (field.kind == "number" or value == int(value))


def bounds(field: TableField) -> tuple[float, float]:
    """The least and the most that a number may be."""
    low = -LARGEST if field.minimum is None else max(field.minimum, -LARGEST)
    high = LARGEST if field.maximum is None else min(field.maximum, LARGEST)
    return low, high


def _describe(field: TableField) -> str:
    kind = "a whole number" if field.kind == "integer" else "a number"
    unit = f" of {field.unit}" if field.unit else ""
    low, high = (
        None if bound is None else f"{bound:,.12g}"
        for bound in (field.minimum, field.maximum)
    )
    if low and high:
        bounds = f" from {low} to {high}"
    else:
        bounds = f" of at least {low}" if low else f" of at most {high}" if high else ""
    other = f" or {field.missing_word}" if field.optional and field.missing_word else ""
    return f"{kind}{unit}{bounds}{other}"


def _schema(field: TableField, dtype: str) -> Schema:
    """JSON Schema of one value, no larger than the dtype holds."""
    unit = f"In {field.unit}." if field.unit else ""
    optional = "May be missing." if field.optional else ""
    about = " ".join(filter(None, (field.description, unit, optional)))
    described = {"description": about} if about else {}
    word = [field.missing_word] if field.optional and field.missing_word else []
    if field.kind == "category":
        words = [*dict.fromkeys([*field.words, *word])]
        return {"enum": [*words, None] if field.optional else words, **described}
    kind: Schema = {"type": field.kind}
    if field.kind != "boolean":
        (low, high), (least, most) = bounds(field), number_range(dtype)
        read = int if field.kind == "integer" else float
        kind |= {"minimum": read(max(low, least)), "maximum": read(min(high, most))}
    if not field.optional:
        return kind | described
    others = [*({"const": each} for each in word), {"type": "null"}]
    return {"anyOf": [kind, *others], **described}

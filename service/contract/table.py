"""Columns of a table: what may stand in them, and whether a model can take that."""

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from service.contract.dtypes import STRING, numpy_dtype
from service.contract.signature import Frozen, TensorSpec, fits

MOST_WORDS = 4096  # of a category: all of them stand in the API's description


class TaskError(ValueError):
    """A task is declared that its model cannot do."""


class TableField(Frozen):
    """One column of a table: what may stand in it."""

    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(min_length=1)
    kind: Literal["number", "integer", "category", "boolean"]
    description: str = ""
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    words: tuple[str, ...] = Field(
        (), max_length=MOST_WORDS, description="that a category may be"
    )
    codes: tuple[float, ...] = Field(
        (), description="the number for each word, of a model that takes numbers"
    )
    optional: bool = Field(False, description="whether it may be missing")
    missing: float | str | None = Field(
        None, description="what the model is given where it is; null = not a number"
    )
    missing_word: str | None = Field(
        None, description="that says so, beside null and leaving it out"
    )

    @model_validator(mode="after")
    def _check(self) -> "TableField":
        if (self.kind == "category") != bool(self.words):
            raise ValueError(
                f"{self.name}: expected words for a category, and for nothing else"
            )
        if self.codes and len(self.codes) != len(self.words):
            raise ValueError(
                f"{self.name}: expected a code for each of {len(self.words)} words, "
                f"received {len(self.codes)}"
            )
        if self.optional and self.missing is None and self.kind != "number":
            raise ValueError(
                f"{self.name}: expected `missing`, what the model is given where it is"
            )
        if len({*self.words}) < len(self.words):
            raise ValueError(
                f"{self.name}: expected each word once, received one twice"
            )
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"{self.name}: expected a minimum of at most the maximum, received "
                f"{low:.12g} and {high:.12g}"
            )
        if self.missing is not None:
            self._check_missing()
        return self

    def _check_missing(self) -> None:
        """A word of a category, else a number."""
        is_text, is_word = isinstance(self.missing, str), self.missing in self.words
        if is_text if self.kind != "category" else not is_word and not self._is_code():
            expected = "one of its words" if self.words else "a number"
            raise ValueError(
                f"{self.name}: expected {expected} as `missing`, received "
                f"{self.missing!r}"
            )

    def _is_code(self) -> bool:
        """Whether `missing` is a number, as the words are to the model."""
        return bool(self.codes) and not isinstance(self.missing, str)


def check_columns(fields: Sequence[TableField], inputs: Sequence[TensorSpec]) -> None:
    """Each field is an input of its name, or all are the columns of the only one.

    Raises:
        TaskError: They are not; says what was expected and received.
    """
    if len(inputs) == 1 and not fits((), inputs[0].shape[1:]):
        if fits((len(fields),), inputs[0].shape[1:]) and inputs[0].dtype != STRING:
            for field in fields:
                _check_column(field, inputs[0])
            return
        raise TaskError(
            f"task: expected an input whose rows are ({len(fields)},), received "
            f"{inputs[0].name}, whose rows are {inputs[0].shape[1:]}"
        )
    names, declared = ({each.name for each in some} for some in (inputs, fields))
    if names != declared:
        raise TaskError(
            f"task: expected a field for each of the inputs {', '.join(sorted(names))}"
            f"; received {', '.join(sorted(declared))}"
        )
    by_name = {each.name: each for each in inputs}
    for field in fields:
        _check_column(field, by_name[field.name])


def _check_column(field: TableField, spec: TensorSpec) -> None:
    """What the field gives is what the input takes."""
    if spec.dtype == STRING:
        return
    if field.words and not field.codes:
        raise TaskError(
            f"task: expected codes for the words of {field.name}, received none for "
            f"{spec.name} of {spec.dtype}"
        )
    given = (*field.codes, field.missing if isinstance(field.missing, float) else 0)
    is_whole = field.kind != "number" and all(
        float(each).is_integer() for each in given
    )
    if numpy_dtype(spec.dtype).kind in "iu" and not is_whole:
        raise TaskError(
            f"task: expected whole numbers for {spec.name} of {spec.dtype}, received "
            f"{field.name} of other numbers"
        )

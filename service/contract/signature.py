"""What goes into a model and what comes out: names, dtypes, shapes."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.contract.dtypes import numpy_dtype


class Frozen(BaseModel):
    """A part of the contract: immutable, and without fields that are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(Frozen):
    """One input or output of a signature."""

    name: str
    dtype: str = Field(description="NumPy's name (uint8, float32), or string")
    shape: tuple[int | None, ...] = Field(description="null = any; the first is rows")
    any_rank: bool = Field(False, description="whether shape says nothing: any will do")
    default: Any = Field(
        None, description="what an input is that is left out; strings in base64"
    )

    def count_bytes(self, sizes: Sequence[int] = ()) -> int:
        """Of one row, where a free dimension has its size of `sizes`, or else 1."""
        shape = self.shape[1:]
        both = zip_longest(shape, sizes[: len(shape)], fillvalue=1)
        items = math.prod(size if known is None else known for known, size in both)
        return items * numpy_dtype(self.dtype).itemsize

    @property
    def has_rows(self) -> bool:
        """Whether the first dimension is free: any number of rows."""
        return bool(self.shape) and self.shape[0] is None


class Signature(Frozen):
    """What goes in and what comes out, in the order in which tensors are passed."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    method: str = Field(
        "tensorflow/serving/predict", description="TensorFlow's name of what it does"
    )

    def count_bytes(self, sizes: Sequence[int] = ()) -> int:
        """Of one row of all inputs and outputs; see `TensorSpec.count_bytes`."""
        return sum(each.count_bytes(sizes) for each in (*self.inputs, *self.outputs))

    @property
    def can_batch(self) -> bool:
        """Whether rows of several requests can be computed together.

        Every input and output must have a free first dimension. What its numbers mean
        is not seen here: a model that mixes rows has to be told not to batch.
        """
        return bool(self.inputs) and all(
            each.has_rows for each in (*self.inputs, *self.outputs)
        )


def fits(sizes: Sequence[int], shape: Sequence[int | None]) -> bool:
    """Whether something of these sizes has this shape, in which None is any size."""
    return len(sizes) == len(shape) and all(
        need in (None, size) for size, need in zip(sizes, shape, strict=True)
    )

"""Rows: what requests, batches and answers are made of. Arrays in, arrays out."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from service.contract.dtypes import dtype_name, numpy_dtype
from service.contract.signature import Signature, TensorSpec, fits
from service.errors import InvalidInput, TooManyRows

Array = npt.NDArray[np.generic]

Tensors = tuple[Array, ...]
"""One array an input (or output) of a signature, in its order, equal first dimensions.

Strings travel as `object` arrays of `bytes`.
"""


def count_rows(rows: Tensors) -> int:
    """The number of rows, which all arrays share; 1 for what has none."""
    return len(rows[0]) if rows and rows[0].ndim else 1


def slice_rows(rows: Tensors, start: int, stop: int) -> Tensors:
    """Rows `start` to `stop` as views, without a copy."""
    return tuple([array[start:stop] for array in rows])


def cut_rows(rows: Tensors, counts: Iterable[int]) -> Iterator[Tensors]:
    """Cut `rows` into pieces of so many each, in order; undoes `merge_rows`."""
    first = 0
    for count in counts:
        yield slice_rows(rows, first, first + count)
        first += count


def cut_callers(tensors: Tensors, counts: Sequence[int]) -> Iterable[Tensors]:
    """The same for what travels in one frame: of one caller it need not be rows."""
    return [tensors] if len(counts) == 1 else cut_rows(tensors, counts)


def merge_rows(parts: Sequence[Tensors], size: int | None = None) -> Tensors:
    """Stack `parts` in order; with `size`, repeat the last row up to that many.

    The padding is a row that is known to be valid, never zeros that the model may not
    have been made for.
    """
    count = sum([len(part[0]) for part in parts])
    missing = (count if size is None else size) - count
    if missing == 0 and len(parts) == 1:
        return parts[0]
    return tuple(
        np.concatenate([*arrays, *([arrays[-1][-1:]] * missing)])
        for arrays in zip(*parts, strict=True)
    )


class TensorChecker:
    """What the inputs of a signature look like, made ready to check them quickly.

    Args:
        signature: See there.
        has_rows: Whether the first dimension counts rows, which all inputs share.
    """

    def __init__(self, signature: Signature, *, has_rows: bool = True):
        self._specs, self._has_rows = signature.inputs, has_rows
        self._dtypes = [numpy_dtype(spec.dtype) for spec in signature.inputs]
        first = 1 if has_rows else 0
        self._shapes = [list(spec.shape[first:]) for spec in signature.inputs]

    def check(self, tensors: Tensors, most: int) -> None:
        """Check the inputs of one request alone, so that no batch fails for them.

        Args:
            tensors: One array for each input.
            most: Rows that one request may have.

        Raises:
            InvalidInput: The number of inputs, a dtype or a shape is wrong.
            TooManyRows: More than `most`.
        """
        if len(tensors) != len(self._specs):
            raise InvalidInput(
                f"expected {len(self._specs)} inputs, received {len(tensors)}"
            )
        count = count_rows(tensors)
        if self._has_rows and count > most:
            raise TooManyRows(f"expected at most {most} rows, received {count}")
        for spec, dtype, wanted, array in zip(
            self._specs, self._dtypes, self._shapes, tensors, strict=True
        ):
            shape = list(array.shape)
            if self._has_rows and (not shape or shape.pop(0) != count or not count):
                raise _wrong(spec, array)
            if array.dtype != dtype or not (
                shape == wanted or spec.any_rank or fits(shape, wanted)
            ):
                raise _wrong(spec, array)


def _wrong(spec: TensorSpec, array: Array) -> InvalidInput:
    rows = " with at least one row, as many as the other inputs," if spec.shape else ","
    return InvalidInput(
        f"{spec.name}: expected {spec.dtype} {list(spec.shape)}{rows} received "
        f"{dtype_name(array.dtype)} {list(array.shape)}"
    )

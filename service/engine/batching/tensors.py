"""Rows: what requests, batches and answers are made of. Arrays in, arrays out."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from service.contract.dtypes import numpy_dtype
from service.contract.signature import Signature
from service.errors import InvalidInput, TooManyRows

Array = npt.NDArray[np.generic]

Tensors = tuple[Array, ...]
"""One array an input (or output) of a signature, in its order, equal first dimensions.

Strings travel as `object` arrays of `bytes`.
"""


def count_rows(rows: Tensors) -> int:
    """The number of rows, which all arrays share."""
    return len(rows[0])


def slice_rows(rows: Tensors, start: int, stop: int) -> Tensors:
    """Rows `start` to `stop` as views, without a copy."""
    return tuple([array[start:stop] for array in rows])


def cut_rows(rows: Tensors, counts: Iterable[int]) -> Iterator[Tensors]:
    """Cut `rows` into pieces of so many each, in order; undoes `merge_rows`."""
    first = 0
    for count in counts:
        yield slice_rows(rows, first, first + count)
        first += count


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
    """What the rows of a signature look like, made ready to check them quickly."""

    def __init__(self, signature: Signature):
        self._specs = signature.inputs
        self._dtypes = [numpy_dtype(spec.dtype) for spec in signature.inputs]
        self._shapes = [list(spec.shape[1:]) for spec in signature.inputs]

    def check(self, rows: Tensors, most: int) -> None:
        """Check rows alone, so that no batch fails for them.

        Args:
            rows: One array for each input.
            most: Rows that one request may have.

        Raises:
            InvalidInput: The number of inputs, a dtype or a shape is wrong.
            TooManyRows: More than `most`.
        """
        if len(rows) != len(self._specs):
            raise InvalidInput(
                f"expected {len(self._specs)} inputs, received {len(rows)}"
            )
        count = len(rows[0])
        if count > most:
            raise TooManyRows(f"expected at most {most} rows, received {count}")
        for spec, dtype, wanted, array in zip(
            self._specs, self._dtypes, self._shapes, rows, strict=True
        ):
            size, *shape = array.shape
            if not (
                array.dtype == dtype
                and size == count > 0
                and (shape == wanted or _fits(shape, wanted))
            ):
                raise InvalidInput(
                    f"{spec.name}: expected {spec.dtype} {list(spec.shape)} with at "
                    f"least one row, received {array.dtype} {list(array.shape)}"
                )


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        need in (None, size) for size, need in zip(shape, wanted, strict=True)
    )

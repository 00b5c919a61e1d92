"""Prediction on more rows than fit into memory at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

CHUNK = 500


def predict(
    call: Callable[..., Mapping[str, Any]],
    inputs: Mapping[str, npt.NDArray[Any]],
    chunk: int = CHUNK,
) -> dict[str, npt.NDArray[Any]]:
    """Call a signature on chunks of rows and join what it gives.

    Args:
        call: takes tensors as keywords, gives output name → tensor, rows first.
        inputs: name → array, as many rows in each; at least one row.
        chunk: rows in one call.

    Returns:
        Output name → array of all rows.
    """
    rows = len(next(iter(inputs.values())))
    parts = [
        call(**{name: tf.constant(array[part]) for name, array in inputs.items()})
        for part in slice_rows(rows, chunk)
    ]
    return {
        name: np.concatenate([part[name].numpy() for part in parts])
        for name in parts[0]
    }


def slice_rows(rows: int, chunk: int = CHUNK) -> Iterator[slice]:
    """Cut `rows` rows into slices of `chunk`, the last perhaps shorter."""
    for start in range(0, rows, chunk):
        yield slice(start, min(start + chunk, rows))

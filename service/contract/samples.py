"""Rows that fit a signature, drawn where nobody gives real ones."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.dtypes import STRING, numpy_dtype
from service.contract.signature import Signature, TensorSpec

Rows = dict[str, npt.NDArray[Any]]

SIDES = (1, 8, 32, 224)  # tried in turn for what an input leaves free
FAR = 3.0  # standard deviation of floats
WORDS = (b"a", b"one", b"two words", "naïve".encode())


def draw(signature: Signature, count: int) -> Iterator[Rows]:
    """Draw rows again and again with other sizes and gentler values.

    Args:
        signature: What they are for.
        count: Rows, where rows are free.

    Yields:
        An array for each input by name: what the model refuses is not for it, and the
        next may be.
    """
    for side in SIDES:
        for gentle in (False, True):
            rng = np.random.default_rng(0)
            yield {
                spec.name: _draw(rng, spec, count, side, gentle=gentle)
                for spec in signature.inputs
            }
        if not any(None in spec.shape[1:] for spec in signature.inputs):
            return


def _draw(
    rng: np.random.Generator, spec: TensorSpec, count: int, side: int, *, gentle: bool
) -> npt.NDArray[Any]:
    shape = [side if dim is None else dim for dim in spec.shape]
    if spec.has_rows or spec.any_rank:
        shape[:1] = [count]
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype == STRING:
        chosen = rng.integers(0, 1 if gentle else len(WORDS), math.prod(shape))
        texts = np.array([*(WORDS[index] for index in chosen), None], dtype=object)
        return texts[:-1].reshape(shape)
    if gentle:
        return np.zeros(shape, dtype)
    if dtype.kind in "iu" and dtype != np.uint8:
        return np.asarray(rng.integers(0, 10, shape)).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    scale = 255 if dtype == np.uint8 else 1
    return np.asarray(rng.random(shape) * scale).astype(dtype)


def draw_far(signature: Signature, count: int) -> Rows | None:
    """Draw rows from all that an input's dtype can hold, of every magnitude.

    Of floats, only as far as models tell them apart; below 0, too.

    Args:
        signature: What they are for.
        count: Rows, where rows are free.

    Returns:
        An array for each input by name; None where `draw` goes as far.
    """
    kinds = {spec.dtype for spec in signature.inputs}
    if kinds <= {"uint8", "bool", STRING}:
        return None
    rng = np.random.default_rng(0)
    return {spec.name: _draw_far(rng, spec, count) for spec in signature.inputs}


def _draw_far(
    rng: np.random.Generator, spec: TensorSpec, count: int
) -> npt.NDArray[Any]:
    usual = _draw(rng, spec, count, SIDES[0], gentle=False)
    if usual.dtype.kind == "f":
        return np.asarray(rng.normal(0, FAR, usual.shape)).astype(usual.dtype)
    if usual.dtype.kind not in "iu":
        return usual
    random = rng.bytes(usual.nbytes)
    widest = np.frombuffer(random, usual.dtype).reshape(usual.shape)
    bits = rng.integers(0, 8 * usual.dtype.itemsize, usual.shape)
    return np.asarray(widest >> bits.astype(usual.dtype))

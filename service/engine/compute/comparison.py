"""How a model's answers and its speed compare with those of TensorFlow.

Samples are asked for in batches of every size that callers will have them in. Beside
those that a version carries, or that are drawn as callers are likely to send them, some
are drawn from as far out as numbers go: OpenVINO computes int64 in 32 bits, for one.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping

import numpy as np

from service.contract.contract import Contract
from service.contract.golden import Golden, GoldenError, Samples, difference
from service.contract.samples import Rows, draw, draw_far
from service.contract.signature import Signature
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.compute.runtime import Model
from service.engine.ended import ProcessDied

logger = logging.getLogger(__name__)

TIMED_S = 0.3  # at most, of a runtime at one size, but for its first run
TIMED_RUNS = 20
MOST_DRAWN = 64  # rows; in larger batches they come again


def measure(model: Model, golden: Golden) -> float:
    """The largest difference of a model's answers from the samples.

    It is asked in batches of every size that it will be asked in, by other rows each;
    but not where it would remember that.
    """
    largest = 0.0
    for name, samples in golden.samples.items():
        if name in model.contract.stateful:
            continue
        for inputs, expected in _batches(model.contract, name, samples):
            for one, other in zip(expected, model.run(name, inputs), strict=True):
                largest = max(largest, difference(one, other))
    return largest


def time_batches(model: Model, golden: Golden) -> dict[int, float]:
    """The least seconds that a batch takes, by its rows: the fewest and the most.

    Of several signatures, all together.
    """
    took: dict[int, float] = {}
    for name, samples in golden.samples.items():
        batches = [each for each, _ in _batches(model.contract, name, samples)]
        for inputs in (batches[0], batches[-1])[: len(batches)]:
            rows = count_rows(inputs)
            took[rows] = took.get(rows, 0.0) + _time(model, name, inputs)
    return took


def _time(model: Model, name: str, inputs: Tensors) -> float:
    least, end = math.inf, time.perf_counter() + TIMED_S
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        model.run(name, inputs)
        now = time.perf_counter()
        least = min(least, now - began)
        if now > end:
            break
    return least


def ratio(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """How many times as long one takes as the other, in the geometric mean."""
    logarithms = [math.log(one[rows] / other[rows]) for rows in one]
    return math.exp(sum(logarithms) / len(logarithms))


def _batches(
    contract: Contract, name: str, samples: Samples
) -> Iterator[tuple[Tensors, Tensors]]:
    """Inputs and outputs of every allowed size, made of the samples in turn."""
    if not contract.batches(name):
        yield samples.inputs, samples.outputs
        return
    count, first = len(samples.inputs[0]), 0
    if any(len(each) != count for each in samples.outputs):
        raise GoldenError(f"{name}: expected {count} rows of each output")
    for size in contract.sizes(name):
        chosen = np.arange(first, first + size) % count
        yield (
            tuple(each[chosen] for each in samples.inputs),
            tuple(each[chosen] for each in samples.outputs),
        )
        first += size


def complete(golden: Golden | None, contract: Contract, reference: Model) -> Golden:
    """The samples of a version, with drawn ones where it carries none.

    Raises:
        GoldenError: None could be drawn that it takes.
    """
    samples = dict(golden.samples) if golden is not None else {}
    for name, signature in contract.signatures.items():
        if name not in samples:
            samples[name] = _draw(contract, name, signature, reference)
    return Golden(golden.origin if golden is not None else "drawn", samples)


def answer_far(contract: Contract, reference: Model) -> Golden:
    """Samples from as far out as the numbers of the inputs go.

    Raises:
        GoldenError: The reference refuses such rows. What was compiled would not: where
            TensorFlow looks an index up in vain, OpenVINO finds zeros.
    """
    samples = {}
    for name, signature in contract.signatures.items():
        rows = draw_far(signature, _most(contract, name))
        if rows is None:
            continue
        try:
            samples[name] = _answer(name, signature, reference, rows)
        except ProcessDied:
            raise
        except Exception as error:
            logger.info("%s refuses far rows: %s", contract.name, error)
            raise GoldenError(
                f"{name}: TensorFlow refuses some numbers, compiled it would not"
            ) from error
    return Golden("drawn", samples)


def _draw(
    contract: Contract, name: str, signature: Signature, reference: Model
) -> Samples:
    for rows in draw(signature, _most(contract, name)):
        try:
            return _answer(name, signature, reference, rows)
        except ProcessDied:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the model raises
            logger.info("%s refuses rows that were drawn: %s", contract.name, error)
    raise GoldenError(f"{name} takes none of the rows that were drawn")


def _answer(name: str, signature: Signature, reference: Model, rows: Rows) -> Samples:
    inputs = tuple(rows[spec.name] for spec in signature.inputs)
    return Samples(inputs, reference.run(name, inputs))


def _most(contract: Contract, name: str) -> int:
    """Rows to draw: those of a batch, but not of one that would fill the memory."""
    if not contract.batches(name):
        return 1
    sizes = contract.sizes(name)
    return max((size for size in sizes if size <= MOST_DRAWN), default=sizes[0])

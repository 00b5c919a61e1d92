"""Whether a signature's answers stay as good in bfloat16: the proof by its samples.

    samples ─▶ in bfloat16 ─▶ outputs ─▶ answers ─▶ how many are others?
    what TensorFlow answered ─▶ outputs ─▶ answers ─┘   how many are right of either?

A version proves it by the samples that it carries, which training never saw: of fewer
than 1,000 with a label, 0.1 point is less than one. A measure can fall by no more than
the share of answers that change. Where bfloat16 is asked for, no labels are needed, and
only the outputs themselves are compared.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.compilation import Proof
from service.contract.contract import Contract
from service.contract.golden import Samples, difference
from service.contract.task import kind_of
from service.engine.batching.tensors import Tensors
from service.engine.compute.precision import TOLERANCE
from service.engine.compute.runtime import Model

LEAST_ROWS = 1000
ROUNDING = 1e-9  # of 0.1 % of 1,000, which is one answer

Answers = npt.NDArray[np.intp]


class Unproven(ValueError):
    """A signature that stays in float32; the message says why."""


def check_floats(contract: Contract, name: str) -> None:
    """Refuse a signature that promises exact numbers.

    Raises:
        Unproven: An output of it is not float32.
    """
    for spec in contract.signatures[name].outputs:
        if spec.dtype != "float32":
            raise Unproven(f"{spec.name} is {spec.dtype}")


def check_labels(contract: Contract, name: str, samples: Samples) -> None:
    """Refuse samples whose answers prove nothing.

    Raises:
        Unproven: They have no labels, too few, or such as the answers cannot be.
    """
    check_floats(contract, name)
    if samples.labels is None:
        raise Unproven("its samples have no labels")
    if not contract.batches(name):
        raise Unproven("it does not batch")
    if not _classifies(contract):
        raise Unproven(f"no measure is known of {kind_of(contract.task) or 'its task'}")
    labels, scores, rows = samples.labels, samples.outputs[0], len(samples.inputs[0])
    if rows < LEAST_ROWS:
        raise Unproven(
            f"expected at least {LEAST_ROWS:,} samples with a label, received {rows:,}"
        )
    if labels.dtype.kind not in "iub" or labels.shape != (rows,):
        raise Unproven(
            f"labels: expected a whole number for each of {rows:,} samples, received "
            f"{labels.dtype} {[*labels.shape]}"
        )
    if scores.ndim > 2 or len(scores) != rows or not np.isfinite(scores).all():
        raise Unproven("what it answered to its samples are no scores of classes")
    classes, found = max(2, scores.size // rows), (int(labels.min()), int(labels.max()))
    if found[0] < 0 or found[1] >= classes:
        raise Unproven(
            f"labels: expected 0 to {classes - 1}, received {found[0]} to {found[1]}"
        )


def prove(
    model: Model, name: str, samples: Samples, *, contract: Contract, by_labels: bool
) -> Proof:
    """Compare a signature in bfloat16 with what TensorFlow answered in float32.

    Args:
        model: What computes in bfloat16.
        name: The signature's.
        samples: Of it.
        contract: Of the version.
        by_labels: Compare the answers, too; `check_labels` has let the samples pass.

    Raises:
        Unproven: An output, or too many answers, are others.
        Exception: What the model raises.
    """
    outputs = _compute(model, name, samples)
    pairs = zip(samples.outputs, outputs, strict=True)
    largest = max((difference(*pair) for pair in pairs), default=0.0)
    if not largest <= TOLERANCE:
        raise Unproven(
            f"expected outputs that differ by at most {TOLERANCE:g}, received "
            f"{largest:.2g}"
        )
    rows = len(samples.inputs[0]) if contract.batches(name) else 1
    proof = Proof(rows=rows, difference=largest)
    return _compare(proof, samples, outputs, contract) if by_labels else proof


def _compare(
    proof: Proof, samples: Samples, outputs: Tensors, contract: Contract
) -> Proof:
    """The proof with what the labels say.

    Raises:
        Unproven: More answers are others than are allowed to be.
    """
    rows, points = proof.rows, contract.precision_tolerance
    exact = read_answers(samples.outputs[0], contract.task)
    rounded = read_answers(outputs[0], contract.task)
    changed = int(np.sum(exact != rounded))
    if changed > points / 100 * rows + ROUNDING:
        raise Unproven(
            f"expected at most {points:g} % of {rows:,} answers to change, received "
            f"{changed}"
        )
    found = {"float32": exact, "bfloat16": rounded}
    right = {key: float(np.mean(each == samples.labels)) for key, each in found.items()}
    return proof.model_copy(update={"changed": changed, "accuracy": right})


def read_answers(scores: npt.NDArray[Any], task: Any) -> Answers:
    """The class that each row is said to be of, as a task's endpoint says it.

    Args:
        scores: (rows, classes) float; or (rows,), (rows, 1), of the second of two.
        task: May say what is to be done to them, and where the second of two begins.
    """
    rows = np.asarray(scores, np.float64).reshape(len(scores), -1)
    function = getattr(task, "function_to_apply", "none")
    threshold = getattr(task, "threshold", None)
    if rows.shape[1] > 2 or (rows.shape[1] == 2 and threshold is None):
        best: Answers = np.argmax(rows, axis=1)
        return best
    second = rows[:, -1]
    if rows.shape[1] == 2 and function == "softmax":
        second = second - rows[:, 0]
    if function != "none":
        second = 0.5 * (1 + np.tanh(0.5 * second))
    return (second >= (0.5 if threshold is None else threshold)).astype(np.intp)


def _classifies(contract: Contract) -> bool:
    kind = kind_of(contract.task)
    return bool(contract.labels) if kind is None else kind.endswith("classification")


def _compute(model: Model, name: str, samples: Samples) -> Tensors:
    """The outputs to all samples, in batches of each size in turn."""
    if not model.contract.batches(name):
        return model.run(name, samples.inputs)
    count = len(samples.inputs[0])
    parts = [
        model.run(name, tuple(each[chosen] for each in samples.inputs))
        for chosen in _choose(model.contract, name, count)
    ]
    return tuple(np.concatenate(each)[:count] for each in zip(*parts, strict=True))


def _choose(contract: Contract, name: str, count: int) -> Iterator[npt.NDArray[Any]]:
    first = 0
    for size in itertools.cycle(contract.sizes(name)):
        if first >= count:
            return
        yield np.arange(first, first + size) % count
        first += size

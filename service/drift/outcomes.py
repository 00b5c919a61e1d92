"""Outputs to what is counted of them: which label each row got, and how surely.

The rule is that of the contract alone, so that samples of training and answers of today
are read alike, by whichever protocol they were asked for.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.contract import Contract
from service.contract.dtypes import STRING
from service.contract.scores import score
from service.contract.signature import TensorSpec
from service.contract.task import SERVING, kind_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ABNORMAL = -1  # the class of a row whose score is no finite number


def counted_output(contract: Contract) -> TensorSpec | None:
    """The output that is counted; None where a model's answers have no such thing.

    A model with labels whose first output has a number for each of them, or one for the
    second of two, is counted by label; a regression by its values.
    """
    signature = contract.signatures.get(SERVING)
    if signature is None or not signature.outputs:
        return None
    output = signature.outputs[0]
    if not output.has_rows or output.any_rank or output.dtype in (STRING, "bool"):
        return None
    if output.dtype.startswith("complex") or len(output.shape) > 2:
        return None
    width = 1 if len(output.shape) == 1 else output.shape[1]
    classes = (len(contract.labels), None, *([1] if len(contract.labels) == 2 else []))
    is_classified = len(contract.labels) > 1 and width in classes
    return output if is_classified or (gives_values(contract) and width == 1) else None


def gives_values(contract: Contract) -> bool:
    """Whether a model answers numbers, and no labels."""
    kind = kind_of(contract.task) or ""
    return kind.endswith("regression") and not contract.labels


def read_values(outputs: npt.NDArray[Any]) -> Floats:
    """A regression's output to float64 (rows,)."""
    return np.asarray(outputs, np.float64).reshape(len(outputs), -1)[:, 0]


def read_classes(
    contract: Contract, outputs: npt.NDArray[Any]
) -> tuple[Ints, Floats] | None:
    """The class of each row, and its score.

    Args:
        contract: Of the version that gave them; see `counted_output`.
        outputs: (rows, classes); or (rows,), (rows, 1), of the second of two.

    Returns:
        int64 (rows,), `ABNORMAL` where that class's score is no finite number, and
        float64 (rows,); None where there are not as many classes as labels.
    """
    with np.errstate(all="ignore"):
        scores = score(outputs, getattr(contract.task, "function_to_apply", "none"))
    if scores.shape[1] != len(contract.labels):
        return None
    best = scores.argmax(axis=1)
    threshold = _threshold(contract)
    if threshold is not None and scores.shape[1] == 2:
        best = (scores[:, 1] >= threshold).astype(np.int64)
    found: Floats = scores[np.arange(len(scores)), best]
    is_odd = ~np.isfinite(found) | np.isnan(scores).any(axis=1)
    return np.where(is_odd, ABNORMAL, best), found


def place(values: Floats, edges: Sequence[float]) -> Ints:
    """Which of the intervals between `edges` each value lies in, from 0 on."""
    places = np.searchsorted(np.asarray(edges), values, side="right")
    return np.where(np.isfinite(values), places, ABNORMAL)


def _threshold(contract: Contract) -> float | None:
    """Where the second of two classes begins, if a version says so."""
    stated: Any = getattr(contract.task, "threshold", None)
    if stated is None:
        stated = contract.constants.get("threshold")
    is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
    return float(stated) if is_number and math.isfinite(stated) else None

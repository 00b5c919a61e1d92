"""A model's numbers to classes with their scores."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.scores import score
from service.engine.batching.tensors import Tensors
from service.errors import ModelFailed
from service.tasks.endpoint import Given, TaskEndpoint, Wanted

DOUBTFUL = (
    "No class has a score of {:.12g} or more: it may well be another one, or something "
    "that the model does not know."
)


class ClassScore(BaseModel):
    """One class that it may be."""

    label: str
    score: float | None = Field(
        description="Its probability, or what the model gives; null where that is no "
        "finite number."
    )


class Classified(BaseModel):
    """What one input is."""

    label: str = Field(description="Of the class with the highest score.")
    score: float | None = Field(description="Of that class.")
    classes: list[ClassScore] = Field(description="The most probable, best first.")
    warning: str | None = Field(
        None, description="Why the answer means little; only where it does."
    )


class Classifier(TaskEndpoint):
    """The half of a classification's endpoint that answers."""

    prediction, takes_top_k = Classified, True

    def __init__(self, contract: Contract):
        self.task = contract.task

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `Classified`."""
        return classify(self.task, outputs[0], contract.labels, wanted)


def classify(
    task: Any, outputs: npt.NDArray[Any], labels: Sequence[str], wanted: Wanted
) -> list[dict[str, Any]]:
    """The fields of `Classified` for each row.

    Args:
        task: A classification.
        outputs: See `score`.
        labels: Of the classes.
        wanted: What the caller wants to know.

    Raises:
        ModelFailed: The model gives another number of classes.
    """
    scores = score(outputs, wanted.function_to_apply or task.function_to_apply)
    if scores.shape[1] != len(labels):
        raise ModelFailed(
            f"Expected {len(labels)} classes of the model, one for each label; it gave "
            f"{scores.shape[1]}."
        )
    top_k, threshold = wanted.top_k or task.top_k, getattr(task, "threshold", None)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k].tolist()
    found = [
        _classified(*each, labels, threshold)
        for each in zip(scores.tolist(), order, strict=True)
    ]
    if task.warn_below is not None:
        for row, each in zip(scores, found, strict=True):
            if not row.max() >= task.warn_below:  # not a number, too
                each["warning"] = DOUBTFUL.format(task.warn_below)
    return found


def _classified(
    scores: Sequence[float],
    order: Sequence[int],
    labels: Sequence[str],
    threshold: float | None,
) -> dict[str, Any]:
    best = order[0]
    if threshold is not None and len(scores) == 2:
        best = int(scores[1] >= threshold)
    named = [
        {"label": labels[each], "score": finite(round(scores[each], 6))}
        for each in (best, *order)
    ]
    return {**named[0], "classes": named[1:]}


def finite(number: float) -> float | None:
    """The number; None where it is none that JSON knows."""
    return number if math.isfinite(number) else None

"""A row's answer is the class that the task's endpoint would say."""

from typing import Any

import numpy as np
import pytest

from service.contract.table import TableField
from service.contract.task import (
    ImageClassification,
    TabularClassification,
    TextClassification,
)
from service.engine.compute.proof import read_answers
from service.tasks.classes import classify
from service.tasks.endpoint import Wanted

FIELDS = (TableField(name="age", kind="number"),)
LABELS = ("no", "yes", "other")
ROWS = np.random.default_rng(0).normal(0.5, 0.6, (200, 3)).astype(np.float32)


@pytest.mark.parametrize("function", ["none", "softmax", "sigmoid"])
@pytest.mark.parametrize("threshold", [None, 0.3, 0.9])
@pytest.mark.parametrize("classes", [0, 1, 2, 3])
def test_an_answer_is_that_of_the_endpoint(
    function: Any, threshold: float | None, classes: int
) -> None:
    task = TabularClassification(
        fields=FIELDS, function_to_apply=function, threshold=threshold
    )
    scores = ROWS[:, :classes] if classes else ROWS[:, 0]
    said = classify(task, scores, LABELS[: max(2, classes)], Wanted())
    expected = [LABELS.index(each["label"]) for each in said]
    assert read_answers(scores, task).tolist() == expected


@pytest.mark.parametrize(
    "task",
    [None, "image classification", ImageClassification(size=(2, 2)),
     TextClassification()],
)  # fmt: skip
def test_of_a_task_that_says_nothing_the_largest_score_is_the_answer(task: Any) -> None:
    assert read_answers(ROWS, task).tolist() == ROWS.argmax(axis=1).tolist()

"""What versions answer is counted by label, whatever they answer."""

from dataclasses import replace

import numpy as np
import pytest

from service.contract.reference import Reference
from service.contract.task import TabularClassification
from service.drift.outcomes import counted_output
from service.drift.reference import ODD, OTHERS
from service.metrics import CONFIDENCES
from tests.drift.cases import (
    LABELS,
    Record,
    Watching,
    answer,
    catalog,
    contract,
    reference,
)

NAN, INF = float("nan"), float("inf")


def test_answers_are_counted_by_label_and_confidence() -> None:
    of = contract()
    watching = Watching(of, reference(of))

    watching.answers([[0.7, 0.2, 0.1]])
    watching.answers([[0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.5, 0.3, 0.2]])

    assert watching.counted() == {"cat": 2, "dog": 1, "owl": 1}
    assert watching.value("servery_version_confidence_count") == 4
    assert watching.value("servery_version_confidence_sum") == pytest.approx(2.9)


def test_labels_that_nobody_got_have_a_series_too() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    watching.answers([[0.7, 0.2, 0.1]])
    name = "servery_version_predictions_total"
    assert [watching.value(name, label=each) for each in (*LABELS, ODD)] == [1, 0, 0, 0]


def test_another_signature_is_not_counted() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    watching.answers([[0.7, 0.2, 0.1]], signature="embed")
    assert watching.counted() == {}


def test_a_version_whose_answers_have_no_label_is_not_counted() -> None:
    watching = Watching(contract(), None)
    assert watching.answers([[0.7, 0.2, 0.1]]).outcomes == ()
    assert watching.counted() == {}


@pytest.mark.parametrize("odd", [NAN, INF, -INF], ids=str)
def test_a_score_that_is_no_number_is_counted_as_that(odd: float) -> None:
    of = contract()
    watching = Watching(of, reference(of))
    watching.answers([[odd, odd, odd], [0.1, 0.8, 0.1]])
    assert watching.counted() == {ODD: 1, "dog": 1}
    assert watching.value("servery_version_confidence_sum") == pytest.approx(0.8)


def test_one_nan_among_the_scores_makes_the_answer_odd() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    watching.answers([[NAN, 0.9, 0.1]])
    assert watching.counted() == {ODD: 1}


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((2, 4)),
        np.zeros((2, 3, 1)),
        np.zeros((0, 3)),
        np.zeros(()),
        np.full((2, 3), b"text", object),
        np.zeros((2, 3), np.complex64),
    ],
    ids=["more classes", "another rank", "no rows", "no rank", "texts", "complex"],
)
def test_an_answer_that_is_not_as_promised_is_not_counted(scores: np.ndarray) -> None:
    of = contract()
    watching = Watching(of, reference(of))
    records = [Record(), Record()]
    for record in records:
        given = replace(answer([0.0]), outputs=(scores,))
        watching.monitor.watch(record, "pets", "serving_default", (), given)
    watching.monitor.count(records)
    assert watching.counted() == {}


def test_an_answer_without_outputs_is_not_counted() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    record = Record()
    given = replace(answer([0.0]), outputs=())
    watching.monitor.watch(record, "pets", "serving_default", (), given)
    watching.monitor.count([record])
    assert watching.counted() == {}


def test_one_number_is_the_score_of_the_second_class() -> None:
    of = contract(("no", "yes"), classes=1)
    watching = Watching(of, reference(of))
    watching.answers([0.2, 0.9, 0.4])
    assert watching.counted() == {"no": 2, "yes": 1}
    assert watching.value("servery_version_confidence_sum") == pytest.approx(2.3)


@pytest.mark.parametrize("threshold", ["0.1", True, None, NAN], ids=str)
def test_a_threshold_that_is_no_number_is_none(threshold: object) -> None:
    of = contract(("no", "yes"), classes=1, constants={"threshold": threshold})
    watching = Watching(of, reference(of))
    watching.answers([0.2, 0.9])
    assert watching.counted() == {"no": 1, "yes": 1}


def test_the_second_class_begins_where_the_version_says() -> None:
    of = contract(("benign", "malignant"), classes=1, constants={"threshold": 0.1})
    watching = Watching(of, reference(of))
    watching.answers([0.05, 0.2])
    assert watching.counted() == {"benign": 1, "malignant": 1}


def test_logits_are_read_as_the_task_says() -> None:
    field = {"name": "x", "kind": "number"}
    task = TabularClassification(fields=(field,), function_to_apply="softmax", top_k=1)
    of = contract(task=task)
    watching = Watching(of, reference(of))
    watching.answers([[1000.0, 0.0, -1000.0]])
    assert watching.counted() == {"cat": 1}
    assert watching.value("servery_version_confidence_sum") == 1


def test_values_of_a_regression_are_counted_by_interval() -> None:
    of = contract((), task="regression", classes=1)
    groups = ("below 0", "0 to 1", "1 or more", ODD)
    known = Reference(groups=groups, edges=(0.0, 1.0), ratios=(0.5, 0.25, 0.25, 0.0))
    watching = Watching(of, known)
    watching.answers([-3.0, 0.0, 0.5, 1.0, NAN, INF])
    expected = {"below 0": 1, "0 to 1": 2, "1 or more": 1, ODD: 2}
    assert watching.counted() == expected
    assert not watching.value("servery_version_confidence_count")


def test_labels_that_are_not_counted_apart_are_others() -> None:
    of = contract()
    watching = Watching(of, Reference(groups=("dog", OTHERS, ODD)))
    watching.answers([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
    assert watching.counted() == {"dog": 1, OTHERS: 2}


@pytest.mark.parametrize(
    "label", ['a"b\\c\nd', "\x1b[31mred\x00", "ä" * 10, "{}=,'"], ids=repr
)
def test_a_hostile_label_is_counted_as_it_is(label: str) -> None:
    of = contract((label, "plain"))
    watching = Watching(of, reference(of))
    watching.answers([[0.9, 0.1]])
    assert watching.counted() == {label: 1}
    assert watching.metrics.exposition()


def test_a_version_that_is_loaded_anew_with_other_labels_is_counted_by_them() -> None:
    of, other = contract(), contract(("ant", "bee"))
    watching = Watching(of, reference(of))
    watching.answers([[0.7, 0.2, 0.1]])
    before = watching.monitor._counted["pets", 1]
    watching.catalog = catalog(other, reference(other))
    watching.answers([[0.2, 0.8]])
    assert watching.counted() == {"cat": 1, "bee": 1}
    assert before.read(np.zeros((1, 2))) is None  # what was on its way then


def test_a_new_catalog_that_says_the_same_changes_nothing() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    watching.answers([[0.7, 0.2, 0.1]])
    before = watching.monitor._counted["pets", 1]
    watching.catalog = catalog(contract(), reference(of))
    watching.answers([[0.7, 0.2, 0.1]])
    assert watching.monitor._counted["pets", 1] is before


def test_a_million_rows_are_counted_exactly() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    scores = np.eye(3, dtype=np.float32)[np.arange(1_000_000) % 3]
    watching.answers(scores)
    assert watching.counted() == {"cat": 333_334, "dog": 333_333, "owl": 333_333}
    assert watching.value("servery_version_confidence_count") == 1_000_000


def test_what_is_counted_is_forgotten() -> None:
    of = contract()
    watching = Watching(of, reference(of))
    record = watching.answers([[0.7, 0.2, 0.1]])
    assert record.outcomes == ()


@pytest.mark.parametrize(
    ("labels", "classes", "task"),
    [((), 3, None), (("a",), 1, None), (LABELS, 2, None), ((), 1, "image generation")],
    ids=["no labels", "one label", "other classes", "no regression"],
)
def test_what_has_no_labels_has_nothing_to_count(
    labels: tuple[str, ...], classes: int, task: str | None
) -> None:
    assert counted_output(contract(labels, classes=classes, task=task)) is None


def test_confidences_of_one_are_within_the_last_bound() -> None:
    assert CONFIDENCES[-1] == 1

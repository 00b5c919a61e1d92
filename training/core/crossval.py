"""Cross-validation: who is held out when, and how figures spread over it.

    rows ──▶ 10 folds, 10 times over ──▶ 100 times: learn from nine, hold out one
                                            │
                inner folds of those nine ◀─┘ calibrate, choose the threshold

Whatever is chosen is chosen inside, so the rows held out outside have no say in it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.core.tabular import Ensemble, Logits, Masks, Table, fit_ensembles

Folds = npt.NDArray[np.int64]
Figure = Callable[[npt.NDArray[np.int64], npt.NDArray[np.floating]], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is validated.

    Attributes:
        folds: outer ones.
        repeats: how often the outer folds are drawn anew.
        inner_folds: of the rows learnt from.
    """

    folds: int = 10
    repeats: int = 10
    inner_folds: int = 5


@dataclass(frozen=True, slots=True)
class Validated:
    """What came of a cross-validation.

    Attributes:
        assignment: (repeats, rows) int64, the fold in which each row was held out.
        learns: (repeats × folds, rows) bool, who learnt from what.
        logits: (repeats, rows) float32, each row's by the ensemble that never saw it.
    """

    assignment: Folds
    learns: Masks
    logits: Logits


def assign_folds(
    labels: npt.NDArray[np.int64], folds: int, repeats: int, seed: int
) -> Folds:
    """Deal rows out into folds, each class as evenly as its number allows.

    Args:
        labels: (rows,) class of each row.
        folds: how many.
        repeats: how often to deal anew.
        seed: of the shuffles.

    Returns:
        (repeats, rows) int64, 0 to `folds` - 1.
    """
    rng = np.random.default_rng(seed)
    assignment = np.empty((repeats, len(labels)), np.int64)
    for dealt in assignment:
        order = rng.permutation(len(labels))
        by_class = order[np.argsort(labels[order], kind="stable")]
        dealt[by_class] = np.arange(len(labels)) % folds
    return assignment


def mask_learners(assignment: Folds, folds: int) -> Masks:
    """Say for each repeat and fold who is learnt from: all but the fold.

    Args:
        assignment: (repeats, rows), 0 to `folds` - 1; rows below 0 are never learnt.
        folds: how many.

    Returns:
        (repeats × folds, rows) bool, repeat by repeat.
    """
    numbers = np.arange(folds)[:, None]
    dealt = assignment[:, None, :]
    masks: Masks = np.logical_and(dealt != numbers, dealt >= 0)
    return masks.reshape(-1, assignment.shape[1])


def gather_held_out(values: npt.NDArray[np.floating], assignment: Folds) -> Logits:
    """Take for each row the value by the model that did not learn from it.

    Args:
        values: (repeats × folds, rows), as `mask_learners` orders them.
        assignment: (repeats, rows); rows below 0 give NaN.

    Returns:
        (repeats, rows) float32.
    """
    repeats, rows = assignment.shape
    by_fold = values.reshape(repeats, -1, rows)
    fold = np.maximum(assignment, 0)[:, None, :]
    held_out = np.take_along_axis(by_fold, fold, axis=1)[:, 0]
    return np.where(assignment < 0, np.nan, held_out).astype(np.float32)


def assign_inner_folds(
    labels: npt.NDArray[np.int64], learns: Masks, folds: int, seed: int
) -> Folds:
    """Deal what each model learns from out into inner folds.

    Args:
        labels: (rows,) class of each row.
        learns: (models, rows) bool.
        folds: how many.
        seed: of the shuffles.

    Returns:
        (models, rows) int64, 0 to `folds` - 1; -1 where the row is not learnt from.
    """
    assignment = np.full(learns.shape, -1, np.int64)
    for number, mask in enumerate(learns):
        inner = assign_folds(labels[mask], folds, 1, seed + number)
        assignment[number, mask] = inner[0]
    return assignment


def predict_inner(
    ensemble: Ensemble, table: Table, learns: Masks, folds: int, seed: int
) -> Logits:
    """Give logits of the rows that each model learns from, by inner folds.

    Args:
        ensemble: the model.
        table: all rows.
        learns: (models, rows) bool.
        folds: how many inner ones.
        seed: of the inner folds and the networks.

    Returns:
        (models, rows) float32, NaN where the row is not learnt from.
    """
    assignment = assign_inner_folds(table.labels, learns, folds, seed)
    masks = mask_learners(assignment, folds)
    return gather_held_out(fit_ensembles(ensemble, table, masks, seed), assignment)


def validate(ensemble: Ensemble, table: Table, plan: Plan, seed: int) -> Validated:
    """Cross-validate an ensemble.

    Args:
        ensemble: the model.
        table: all rows.
        plan: folds and repeats.
        seed: of everything random.
    """
    assignment = assign_folds(table.labels, plan.folds, plan.repeats, seed)
    learns = mask_learners(assignment, plan.folds)
    logits = fit_ensembles(ensemble, table, learns, seed)
    return Validated(assignment, learns, gather_held_out(logits, assignment))


def measure_folds(
    figure: Figure,
    labels: npt.NDArray[np.int64],
    values: npt.NDArray[np.floating],
    assignment: Folds,
    among: npt.NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Compute a figure on each held-out fold and say how it spreads.

    Args:
        figure: takes labels and values of some rows, gives a number.
        labels: (rows,) class of each row.
        values: (repeats, rows), each row's by the model that never saw it.
        assignment: (repeats, rows), the fold in which each row was held out.
        among: (rows,) bool, which rows count; all if absent.

    Returns:
        `mean`; `sd` of the repeats' means; `sd_of_folds`, of the single folds.
    """
    counted = np.ones(len(labels), np.bool_) if among is None else among
    found = np.array(
        [
            [
                figure(labels[held_out & counted], row[held_out & counted])
                for held_out in (folds == number for number in range(folds.max() + 1))
            ]
            for row, folds in zip(values, assignment, strict=True)
        ]
    )
    spread = describe_spread(found.mean(axis=1))
    return spread | {"sd_of_folds": describe_spread(found)["sd"]}


def describe_spread(values: npt.ArrayLike) -> dict[str, float]:
    """Give mean and standard deviation (n - 1) of a figure, ready for JSON."""
    numbers = np.asarray(values, np.float64)
    deviation = numbers.std(ddof=1) if numbers.size > 1 else 0.0
    return {"mean": round(float(numbers.mean()), 5), "sd": round(float(deviation), 5)}

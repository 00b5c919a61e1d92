"""Figures of a cross-validation, and how far they would move on other rows.

Repeats of a cross-validation share their rows, so their spread says little; what a
figure of a few hundred rows is worth is the error of having drawn these rows and not
others. It is estimated by a bootstrap: Efron and Tibshirani, "An introduction to the
bootstrap", 1993.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from training.metrics.classification import expected_calibration_error

FIGURES = (
    "accuracy",
    "auc",
    "log_loss",
    "brier_score",
    "expected_calibration_error",
)
_RESAMPLES = 200  # as many as Efron and Tibshirani find enough for a standard error
_LEAST = 1e-15  # probability, so that a wrong certainty has a loss

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


def compare_held_out(
    labels: Labels, probabilities: Mapping[str, Floats], among: Mask, bins: int
) -> dict[str, Any]:
    """Collect the figures of several methods for a manifest, with standard errors.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: method → (repeats, rows) of 1, each row's by a model that never
            saw it; the first is the model in question.
        among: (rows,) bool, which rows count.
        bins: of the calibration error.

    Returns:
        `rows`; `methods`, method → figure → `mean` over the repeats and
        `standard_error`; and `differences`, of every other method from the first, on
        the same rows.
    """
    some, rows = labels[among], [each[:, among] for each in probabilities.values()]

    def measure(drawn: Labels) -> Floats:
        return np.array(
            [measure_figures(some[drawn], each[:, drawn], bins) for each in rows]
        )

    found, again = measure(np.arange(len(some))), bootstrap(measure, some)
    names = list(probabilities)
    return {
        "rows": len(some),
        "methods": {
            name: describe_figures(FIGURES, found[number], again[:, number])
            for number, name in enumerate(names)
        },
        "differences": {
            name: describe_figures(
                FIGURES, found[number] - found[0], again[:, number] - again[:, 0]
            )
            for number, name in enumerate(names[1:], start=1)
        },
    }


def measure_figures(labels: Labels, probabilities: Floats, bins: int) -> list[float]:
    """Compute `FIGURES`, each the mean over the repeats.

    Args:
        labels: (rows,) 0 or 1, some of each.
        probabilities: (repeats, rows) of 1.
        bins: of the calibration error.
    """
    ones = labels == 1
    of_the_truth = np.where(ones, probabilities, 1 - probabilities.astype(np.float64))
    return [
        float(np.mean((probabilities > 0.5) == ones)),
        measure_auc(ones, probabilities),
        float(-np.log(np.maximum(of_the_truth, _LEAST)).mean()),
        float(np.mean((1 - of_the_truth) ** 2)),
        float(
            np.mean([expected_calibration_error(ones, p, bins) for p in probabilities])
        ),
    ]


def measure_auc(ones: Mask, scores: Floats) -> float:
    """Share of pairs of a one and a zero won by the one; ties are half.

    Args:
        ones: (rows,) bool, some of each.
        scores: (repeats, rows); pairs are of one repeat, whichever folds they were in.
    """
    count = int(ones.sum())
    ranks = rankdata(scores, axis=1)[:, ones].sum(axis=1)
    pairs = count * (len(ones) - count)
    return float(np.mean((ranks - count * (count + 1) / 2) / pairs))


def bootstrap(measure: Callable[[Labels], Floats], labels: Labels) -> Floats:
    """Measure again on rows drawn from these, with replacement, class by class.

    Args:
        measure: takes the numbers of rows, gives an array of figures.
        labels: (rows,) class of each row.

    Returns:
        (resamples, …), the same on every call.
    """
    rng = np.random.default_rng(0)
    classes = [np.flatnonzero(labels == each) for each in np.unique(labels)]
    return np.array(
        [
            measure(np.concatenate([rng.choice(rows, len(rows)) for rows in classes]))
            for _ in range(_RESAMPLES)
        ]
    )


def describe_figures(
    names: Sequence[str], found: Floats, again: Floats
) -> dict[str, dict[str, float]]:
    """Name each figure, with its standard error, ready for JSON.

    Args:
        names: of the figures.
        found: (figures,) on all rows.
        again: (resamples, figures) by `bootstrap`.
    """
    errors = again.std(axis=0, ddof=1)
    return {
        name: {"mean": round(float(mean), 5), "standard_error": round(float(error), 5)}
        for name, mean, error in zip(names, found, errors, strict=True)
    }


def measure_groups(
    labels: Labels, probabilities: Floats, called: Mask, groups: Mapping[str, Mask]
) -> dict[str, dict[str, float | None]]:
    """Say who is treated worse: figures of held-out rows by what they are.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (repeats, rows) of 1, held out.
        called: (repeats, rows) bool, called 1.
        groups: name → (rows,) bool.

    Returns:
        Name → `rows`, their share of ones and what was said of it, accuracy, and of
        the ones and the zeros how many were called the other; None of nobody.
    """
    ones = labels == 1
    return {
        name: {
            "rows": int(among.sum()),
            "share_of_ones": _share(ones[among]),
            "mean_probability": _share(probabilities[:, among]),
            "accuracy": _share(called[:, among] == ones[among]),
            "missed": _share(~called[:, among & ones]),
            "false_alarms": _share(called[:, among & ~ones]),
        }
        for name, among in groups.items()
    }


def _share(values: npt.NDArray[Any]) -> float | None:
    return round(float(np.mean(values)), 4) if values.size else None

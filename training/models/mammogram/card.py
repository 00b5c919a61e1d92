"""What the mammogram model says of itself: figures, constants, pictures, limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.special import expit, logit
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from training.core.export import Card, Function
from training.datasets.masses import DENSITIES, MARGINS, SEVERITIES, SHAPES, Masses
from training.metrics import calibration
from training.metrics.held_out import (
    bootstrap,
    compare_held_out,
    describe_figures,
    measure_groups,
)
from training.models.mammogram.validation import HeldOut
from training.plots import binary
from training.plots import classification as plots

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BINS = 10  # of the reliability; fifteen would hold 64 rows each, too few
AGE_GROUPS = {"under 45": (1, 45), "45 to 64": (45, 65), "65 and over": (65, 200)}
POINT = ("sensitivity", "specificity", "malignant_if_called", "malignant_if_not_called")

Mask = npt.NDArray[np.bool_]


def summarise(held_out: HeldOut, data: Masses) -> dict[str, Any]:
    """Collect figures for the manifest, each with its standard error."""
    rows = {
        "all_rows": np.ones(len(data), np.bool_),
        "complete_rows": data.is_complete,
        "rows_without_a_twin": ~data.has_twin,
    }
    labels, said = held_out.labels, held_out.probabilities
    return {
        name: compare_held_out(labels, said, among, BINS)
        for name, among in rows.items()
    } | {
        "operating_point": {
            name: measure_point(held_out, among) for name, among in rows.items()
        },
        "duplicates": {
            "repeat_an_earlier_row": data.count_repeats(),
            "have_a_twin": int(data.has_twin.sum()),
        },
        "groups": measure_groups(
            labels, said["servery"], held_out.is_called, list_groups(data)
        ),
    }


def measure_point(held_out: HeldOut, among: Mask) -> dict[str, Any]:
    """Figures at each fold's own threshold, over all held-out rows of a repeat."""
    labels, called = held_out.labels[among], held_out.is_called[:, among]

    def count(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        ones, said = labels[rows] == 1, called[:, rows]
        cells = [~said & ~ones, said & ~ones, ~said & ones, said & ones]
        return np.array([cell.sum() for cell in cells]) / len(called)

    def measure(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        spared, alarmed, missed, caught = count(rows)
        return np.array(
            [
                caught / (caught + missed),
                spared / (spared + alarmed),
                caught / (caught + alarmed),
                missed / (missed + spared),
            ]
        )

    everyone = np.arange(len(labels))
    cells = ("true_benign", "false_alarm", "missed", "caught")
    counts = count(everyone).round(1).tolist()
    return describe_figures(POINT, measure(everyone), bootstrap(measure, labels)) | {
        "rows_of_one_repeat": dict(zip(cells, counts, strict=True))
    }


def list_groups(data: Masses) -> dict[str, Mask]:
    """Name → (rows,) bool: by age, and by how many findings are missing."""
    missing = data.count_missing()
    return {
        name: (data.ages >= youngest) & (data.ages < oldest)
        for name, (youngest, oldest) in AGE_GROUPS.items()
    } | {
        "nothing missing": missing == 0,
        "one finding missing": missing == 1,
        "two or three missing": missing > 1,
    }


def list_constants(
    threshold: float, held_out: HeldOut, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what the endpoint has to know beside the graph.

    The band around the threshold is as wide as a row's log-odds moves when other rows
    are learnt from: within it, the label would often be the other one.
    """
    wobble = calibration.measure_wobble(held_out.log_odds)
    middle = logit(threshold)
    edges = expit(np.array([middle - wobble, middle + wobble]))
    said = held_out.probabilities["servery"]
    point = metrics["operating_point"]["all_rows"]
    return {
        "threshold": round(threshold, 4),
        "abstain": [round(float(edge), 4) for edge in edges],
        "abstain_share": round(
            float(np.mean((said >= edges[0]) & (said <= edges[1]))), 4
        ),
        "sensitivity": round(point["sensitivity"]["mean"], 4),
        "specificity": round(point["specificity"]["mean"], 4),
        "words": {
            "shape": list(SHAPES),
            "margin": list(MARGINS),
            "density": list(DENSITIES),
        },
    }


def draw_reports(
    held_out: HeldOut, constants: Mapping[str, Any], function: Function
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    labels, probabilities = held_out.labels, held_out.probabilities["servery"]
    confusion = confusion_matrix(
        np.tile(labels, len(probabilities)), held_out.is_called.ravel()
    )
    return {
        "roc.png": binary.draw_roc(
            labels,
            held_out.probabilities,
            (constants["sensitivity"], constants["specificity"]),
        ),
        "reliability.png": binary.draw_probability_reliability(
            labels, probabilities, SEVERITIES[1], BINS
        ),
        "operating_point.png": binary.draw_operating_curve(
            labels, probabilities, constants["threshold"], tuple(constants["abstain"])
        ),
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, SEVERITIES),
        "profile.png": _draw_profile(function),
    }


def describe(ran: Training, metrics: dict[str, Any], constants: dict[str, Any]) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    missed = 100 * (1 - constants["sensitivity"])
    alarmed = 100 * (1 - constants["specificity"])
    methods = metrics["all_rows"]["methods"]
    auc = {name: f"{found['auc']['mean']:.3f}" for name, found in methods.items()}
    error = methods["servery"]["auc"]["standard_error"]
    by_group = "; ".join(
        f"{name}, {_percent(group['missed'])} and {_percent(group['false_alarms'])}"
        for name, group in metrics["groups"].items()
    )
    return Card(
        name="mammogram",
        task="tabular classification",
        description=(
            "Probability that a mammographic mass is malignant, by the patient's age "
            "and the mass's shape, margin and density: a logistic regression. The "
            "log-odds are those of all masses plus what each known finding adds. "
            "Input: age in years (0 = unknown), and the data set's own words; any "
            "other word, the empty one too, is unknown and adds nothing. The doctors' "
            "BI-RADS assessment is not used. It is the baseline itself: its area under "
            f"ROC on held-out rows is {auc['servery']} (± {error:.3f}, standard "
            f"error), that of small networks, as in version 1, {auc['network']}, of a "
            f"tuned logistic regression {auc['tuned_logistic_regression']}."
        ),
        intended_use=(
            "Study: calibrated probabilities, an operating point and what it costs. "
            "No diagnosis, and no part of one."
        ),
        limits=(
            "961 masses that doctors of one German university hospital had found "
            "conspicuous enough for a biopsy, 2003 to 2006: says nothing of masses "
            "in screening, where few are malignant. Biopsy found 46 % malignant "
            "here; elsewhere the probabilities are not calibrated. At the operating "
            f"point, of 100 malignant masses {missed:.0f} are missed, and of 100 "
            f"benign ones {alarmed:.0f} are false alarms. Misses and false alarms by "
            f"group: {by_group}. Whoever describes the mass decides much of the "
            "answer. The bends of the age curve were found on other folds of these "
            "same rows, so the figures may be a little hopeful; the threshold was "
            "chosen on inner folds. The figures are of rows held out in a "
            "cross-validation; the model that is served has learnt from all rows. The "
            "confusion matrix counts each mass once for each repeat."
        ),
        labels=SEVERITIES,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
        constants=constants,
    )


def _draw_profile(function: Function) -> bytes:
    """Draw the probability over age by margin, shape and density being unknown."""
    ages = np.arange(20, 96)
    unknown = tf.fill([len(ages)], "")
    curves = {
        margin: function.call(
            age=tf.constant(ages, tf.int32),
            shape=unknown,
            margin=tf.fill([len(ages)], margin),
            density=unknown,
        )["probability"].numpy()
        for margin in (*MARGINS, "unknown")
    }
    return binary.draw_profile(
        ages.tolist(), curves, "age in years", "malignant, by age and margin alone"
    )


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"

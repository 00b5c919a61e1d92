"""What the mammogram model says of itself: figures, constants, pictures, limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.special import expit, logit
from sklearn.metrics import confusion_matrix, recall_score

from service.contract.manifest import Training
from training.core.export import Card, Function
from training.datasets.masses import DENSITIES, MARGINS, SEVERITIES, SHAPES
from training.metrics import calibration
from training.metrics.held_out import describe_spread, summarise_held_out
from training.models.mammogram.validation import Decided, HeldOut
from training.plots import binary
from training.plots import classification as plots

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BINS = 10  # of the reliability; fifteen would hold 64 rows each, too few

Mask = npt.NDArray[np.bool_]


def summarise(
    held_out: HeldOut, textbook: HeldOut, is_complete: Mask
) -> dict[str, Any]:
    """Collect figures for the manifest, each with its spread over the folds.

    Args:
        held_out: the cross-validation over all rows.
        textbook: the one over complete rows alone.
        is_complete: (rows,) bool, of all rows.
    """
    everyone = np.ones(len(held_out.table), np.bool_)
    textbook_rows = np.ones(len(textbook.table), np.bool_)
    return {
        "all_rows": compare(held_out, everyone),
        "complete_rows": compare(held_out, is_complete),
        "complete_rows_trained_on_complete_rows": compare(textbook, textbook_rows),
        "operating_point": {
            "all_rows": measure_point(held_out, everyone),
            "complete_rows": measure_point(held_out, is_complete),
        },
    }


def compare(held_out: HeldOut, among: Mask) -> dict[str, Any]:
    """Method → figure → mean and spread, on some of the held-out rows."""
    methods: dict[str, npt.NDArray[np.floating]] = {
        "servery": expit(held_out.scaled),
        **held_out.baselines,
    }
    return {"rows": int(among.sum())} | {
        name: summarise_held_out(
            held_out.table.labels, values, held_out.validated.assignment, among, BINS
        )
        for name, values in methods.items()
    }


def measure_point(held_out: HeldOut, among: Mask) -> dict[str, Any]:
    """Figures at each fold's own threshold, over all held-out rows of a repeat."""
    labels = held_out.table.labels[among]
    called = held_out.is_called[:, among]
    counts = np.array([confusion_matrix(labels, row).ravel() for row in called])
    return {
        "sensitivity": describe_spread([recall_score(labels, row) for row in called]),
        "specificity": describe_spread(
            [recall_score(labels, row, pos_label=0) for row in called]
        ),
        "malignant_if_called": describe_spread(
            counts[:, 3] / (counts[:, 1] + counts[:, 3])
        ),
        "malignant_if_not_called": describe_spread(
            counts[:, 2] / (counts[:, 0] + counts[:, 2])
        ),
        "rows_of_one_repeat": dict(
            zip(
                ("true_benign", "false_alarm", "missed", "caught"),
                counts.mean(axis=0).round(1).tolist(),
                strict=True,
            )
        ),
    }


def list_constants(
    decided: Decided, held_out: HeldOut, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what the endpoint has to know beside the graph.

    The band around the threshold is as wide as a row's log-odds moves when other rows
    are learnt from: within it, the label would often be the other one.
    """
    wobble = calibration.measure_wobble(held_out.scaled)
    middle = logit(decided.threshold)
    edges = expit(np.array([middle - wobble, middle + wobble]))
    inside = expit(held_out.scaled)
    point = metrics["operating_point"]["all_rows"]
    return {
        "threshold": round(decided.threshold, 4),
        "abstain": [round(float(edge), 4) for edge in edges],
        "abstain_share": round(
            float(np.mean((inside >= edges[0]) & (inside <= edges[1]))), 4
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
    labels = held_out.table.labels
    probabilities = expit(held_out.scaled)
    confusion = confusion_matrix(
        np.tile(labels, len(probabilities)), held_out.is_called.ravel()
    )
    return {
        "roc.png": binary.draw_roc(
            labels,
            {"servery": probabilities, **held_out.baselines},
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
    missed = 1 - constants["sensitivity"]
    alarmed = 1 - constants["specificity"]
    return Card(
        name="mammogram",
        task="tabular classification",
        description=(
            "Probability that a mammographic mass is malignant, by the patient's age "
            "and the mass's shape, margin and density: six small MLPs whose logits "
            "are averaged and calibrated. Input: age in years (0 = unknown), and the "
            "data set's own words; any other word, the empty one too, is unknown. "
            "The doctors' BI-RADS assessment is not used."
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
            f"point {missed:.1%} of the malignant masses are still missed and "
            f"{alarmed:.0%} of the benign ones are called malignant. Whoever "
            "describes the mass decides much of the answer. The range of penalties, "
            "the blanking and the bends of the age curve were found on other folds "
            "of these same rows, so the figures may be a little hopeful; scaling and "
            "threshold were chosen on inner folds. The confusion matrix counts each "
            "mass once for each repeat."
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

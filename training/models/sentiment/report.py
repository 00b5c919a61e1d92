"""Figures and pictures for a model that says yes or no: ROC, and quality by length."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from training.plots.classification import encode

Integers = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]

LENGTHS = (0, 50, 100, 150, 200, 300, 400, 600, 1000, 10_000)  # edges, in tokens


def roc_curve(
    labels: Integers, scores: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Shares of negatives and of positives above each threshold, falling.

    Args:
        labels: (rows,) 0 or 1, both present.
        scores: (rows,) higher = more positive; equal scores are passed together.

    Returns:
        Two (points,) float64, rising from 0 to 1.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    positives = np.cumsum(labels[order] == 1)[ends]
    negatives = np.cumsum(labels[order] == 0)[ends]
    return (
        np.append(0.0, negatives / negatives[-1]),
        np.append(0.0, positives / positives[-1]),
    )


def area_under_roc(labels: Integers, scores: Floats) -> float:
    """How often a positive row scores above a negative one; 0.5 is chance."""
    false_alarms, hits = roc_curve(labels, scores)
    return float(np.trapezoid(hits, false_alarms))


def accuracy_by_length(
    correct: npt.NDArray[np.bool_], lengths: Integers
) -> dict[str, dict[str, float]]:
    """Accuracy and rows in each range of `LENGTHS` that has rows."""
    found = {}
    for low, high in pairwise(LENGTHS):
        within = (lengths > low) & (lengths <= high)
        if within.any():
            share = round(float(correct[within].mean()), 4)
            found[f"{low + 1}-{high}"] = {"accuracy": share, "rows": int(within.sum())}
    return found


def draw_roc(labels: Integers, scores: Floats) -> bytes:
    """Draw the ROC curve with its area, as PNG."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    area = area_under_roc(labels, scores)
    axes.plot(*roc_curve(labels, scores), label=f"this model: area {area:.4f}")
    axes.set(
        xlabel="dislikes called likes", ylabel="likes called likes", title="ROC curve"
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return encode(figure)


def draw_accuracy_by_length(correct: npt.NDArray[np.bool_], lengths: Integers) -> bytes:
    """Draw accuracy over length in tokens, with the number of reviews, as PNG."""
    found = accuracy_by_length(correct, lengths)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    shares = [each["accuracy"] for each in found.values()]
    for bar, each in zip(
        axes.bar(list(found), shares, color="tab:blue"), found.values(), strict=True
    ):
        middle = bar.get_x() + bar.get_width() / 2
        text = f"{each['accuracy']:.1%}\n{each['rows']:.0f}"
        axes.text(middle, bar.get_height(), text, ha="center", va="bottom", size=7)
    axes.set(
        ylim=(0.5, 1.05),
        xlabel="tokens in the review",
        ylabel="share correct",
        title="accuracy by length (with reviews in each bin)",
    )
    axes.tick_params(axis="x", labelsize=7)
    return encode(figure)

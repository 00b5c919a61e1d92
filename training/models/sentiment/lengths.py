"""How good the sentiment model is at texts of each length: figures and a picture."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from training.plots.classification import encode

Integers = npt.NDArray[np.integer]

LENGTHS = (0, 50, 100, 150, 200, 300, 400, 600, 1000, 10_000)  # edges, in tokens


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

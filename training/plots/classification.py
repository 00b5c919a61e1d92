"""Pictures for people of what a training run gave: arrays in, PNG bytes out."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.metrics.classification import reliability

_DOTS_PER_INCH = 110


def draw_learning_curves(history: Mapping[str, Sequence[float]]) -> bytes:
    """Draw each metric over the epochs, training beside validation.

    Accuracy is drawn as its complement, the error: near 1 nothing else can be seen.

    Args:
        history: Keras's: metric → value at each epoch; `val_` before the metric for
            the validation split. Metrics without a `val_` twin are left out.
    """
    metrics = [metric for metric in history if f"val_{metric}" in history]
    figure = Figure(figsize=(4.6 * len(metrics), 3.4), layout="constrained")
    plots = np.atleast_1d(figure.subplots(1, len(metrics)))
    for axes, metric in zip(plots, metrics, strict=True):
        for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
            values = np.asarray(history[key])
            shown = 1 - values if metric == "accuracy" else values
            axes.plot(range(1, len(values) + 1), shown, label=label)
        title = "error (1 - accuracy)" if metric == "accuracy" else metric
        axes.set(xlabel="epoch", title=title, yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    return encode(figure)


def draw_confusion_matrix(
    confusion: npt.NDArray[np.int64], names: Sequence[str]
) -> bytes:
    """Draw who was taken for whom; the shade shows errors, which the diagonal drowns.

    Args:
        confusion: (classes, classes) rows by [true, predicted].
        names: the name of each class, by its index.
    """
    errors = confusion - np.diag(np.diag(confusion))
    figure = Figure(figsize=(1.6 + 0.5 * len(names),) * 2, layout="constrained")
    axes = figure.subplots()
    axes.imshow(errors, cmap="Reds", vmax=max(1, errors.max()) * 1.3)
    for (true, predicted), rows in np.ndenumerate(confusion):
        weight = "bold" if true == predicted else "normal"
        text = str(rows) if rows else "·"
        axes.text(
            predicted, true, text, ha="center", va="center", size=8, weight=weight
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{errors.sum()} errors")
    return encode(figure)


def draw_worst_mistakes(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.floating],
    names: Sequence[str],
    columns: int = 8,
    rows: int = 5,
) -> bytes:
    """Draw the images on which the model was surest of a wrong class.

    Args:
        images: (count, height, width) uint8, 0 to 255.
        labels: (count,) true class.
        probabilities: (count, classes), each row adding up to 1.
        names: the name of each class, by its index.
        columns: images side by side.
        rows: images one above the other, at most.
    """
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    mistakes = np.flatnonzero(predictions != labels)
    shown = mistakes[np.argsort(-confidence[mistakes])][: columns * rows]
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(columns * 1.15, rows * 1.45), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, shown, strict=False):
        axes.imshow(images[row], cmap="gray_r", vmin=0, vmax=255)
        true, said = names[labels[row]], names[predictions[row]]
        axes.set_title(f"{true} → {said}  {confidence[row]:.0%}", size=8)
    figure.suptitle("true → predicted, and how sure", size=9)
    return encode(figure)


def draw_reliability(
    correct: npt.NDArray[np.bool_], confidence: npt.NDArray[np.floating]
) -> bytes:
    """Draw how often the model was right against how sure it was.

    Args:
        correct: (rows,) bool, the prediction was right.
        confidence: (rows,) probability of the predicted class, 0 to 1.
    """
    rows, sure, right = reliability(correct, confidence).T
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
    axes.plot(sure, right, marker="o", label="this model")
    for x, y, count in zip(sure, right, rows, strict=True):
        axes.annotate(
            f"{count:.0f}", (x, y), (5, -10), textcoords="offset points", size=7
        )
    axes.set(
        xlabel="confidence",
        ylabel="share correct",
        title="reliability (with rows in each bin)",
        xlim=(0, 1.06),
        ylim=(-0.05, 1.05),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return encode(figure)


def encode(figure: Figure) -> bytes:
    """Write a figure as PNG, without a trace of when or by which program."""
    file = io.BytesIO()
    with mpl.rc_context({"savefig.dpi": _DOTS_PER_INCH}):
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()

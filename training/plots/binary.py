"""Pictures for people of models with two classes: arrays in, PNG bytes out."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from training.metrics.classification import reliability
from training.plots.classification import encode

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


def draw_roc(
    labels: Labels,
    scores: Mapping[str, Floats],
    point: tuple[float, float] | None = None,
) -> bytes:
    """Draw how many ones are caught for how many false alarms.

    Args:
        labels: (rows,) 0 or 1.
        scores: method → (repeats, rows), held out; repeats, of a
            cross-validation, are pooled.
        point: sensitivity and specificity of the operating point, if there
            is one.
    """
    figure = Figure(figsize=(5, 4.8), layout="constrained")
    axes = figure.subplots()
    for method, values in scores.items():
        pooled = np.tile(labels, len(values))
        caught = roc_curve(pooled, values.ravel())
        area = roc_auc_score(pooled, values.ravel())
        axes.plot(caught[0], caught[1], label=f"{method}, area {area:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    if point is not None:
        sensitivity, specificity = point
        axes.plot(1 - specificity, sensitivity, "ko", label="operating point")
    axes.set(
        xlabel="false alarms (1 - specificity)",
        ylabel="caught (sensitivity)",
        title="ROC, held-out rows",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return encode(figure)


def draw_probability_reliability(
    labels: Labels, probabilities: Floats, what: str, bins: int
) -> bytes:
    """Draw how often it was so against how probable it was said to be.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (repeats, rows) of being 1, held out; all repeats are pooled.
        what: the name of class 1.
        bins: equal parts of 0 to 1.
    """
    pooled = np.tile(labels, len(probabilities)).astype(np.bool_)
    rows, said, was = reliability(pooled, probabilities.ravel(), bins).T
    figure = Figure(figsize=(5, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
    axes.plot(said, was, marker="o", label="this model, held out")
    for x, y, count in zip(said, was, rows / len(probabilities), strict=True):
        axes.annotate(
            f"{count:.0f}", (x, y), (5, -11), textcoords="offset points", size=7
        )
    axes.set(
        xlabel=f"probability of {what} said",
        ylabel=f"share {what}",
        title="reliability (with rows of one repeat in each bin)",
        xlim=(-0.02, 1.06),
        ylim=(-0.02, 1.05),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return encode(figure)


def draw_bars(values: Mapping[str, float], title: str, unit: str) -> bytes:
    """Draw one bar for each name, the longest on top."""
    ranked = sorted(values.items(), key=lambda item: item[1])
    figure = Figure(figsize=(6.4, 0.8 + 0.28 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in ranked], [value for _, value in ranked])
    axes.set(title=title, xlabel=unit)
    axes.grid(alpha=0.3, axis="x")
    return encode(figure)


def draw_operating_curve(
    labels: Labels, probabilities: Floats, threshold: float, band: tuple[float, float]
) -> bytes:
    """Draw sensitivity and specificity over the threshold, and where it was put.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (repeats, rows) of being 1, held out; all repeats are pooled.
        threshold: the one that is served.
        band: lowest and highest probability at which the model abstains.
    """
    places = np.linspace(0.005, 0.995, 199)
    ones, zeros = probabilities[:, labels == 1], probabilities[:, labels == 0]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(places, [np.mean(ones >= place) for place in places], label="sensitivity")
    axes.plot(places, [np.mean(zeros < place) for place in places], label="specificity")
    axes.axvspan(*band, color="grey", alpha=0.25, label="abstain")
    axes.axvline(threshold, color="black", linestyle="--", label="threshold")
    axes.axhline(0.95, color="grey", linestyle=":")
    axes.set(xlabel="threshold on the probability", ylabel="share", ylim=(0, 1.02))
    axes.set_title("what the threshold does, held-out rows")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return encode(figure)


def draw_profile(
    places: Sequence[float], curves: Mapping[str, Floats], axis: str, title: str
) -> bytes:
    """Draw what the model says along one field, a line for each value of another.

    Args:
        places: along the field.
        curves: the other field's value → (places,) probability.
        axis: the field's name and unit.
        title: of the picture.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(places, values, label=name)
    axes.set(xlabel=axis, ylabel="probability", title=title, ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return encode(figure)

"""What the cells model says of itself, in pictures and words."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image

from service.contract.manifest import Training
from service.contract.task import Example, ImageSegmentation
from training.core.export import Card
from training.datasets.nuclei import SIDE, Nuclei
from training.models.cells.measures import Bools, Found
from training.models.cells.network import REACH
from training.plots import classification as plots

LABELS = ("background", "nucleus")
BATCH_SIZES = (1, 2, 4, 8)
SHOWN = 6  # pictures in a report


def make_examples(nuclei: Nuclei) -> tuple[Example, ...]:
    """Three pictures to try the model with: few nuclei, some and many.

    Args:
        nuclei: pictures that are in the public domain, for they go into the manifest.
    """
    count = np.array([len(np.unique(each)) - 1 for each in nuclei.labels])
    order = np.argsort(count, kind="stable")
    titles = ("A few nuclei", "Some of them touch", "Many, small and close")
    return tuple(
        Example(
            title=title,
            request={"image": _to_base64(nuclei.pictures[order[place]])},
            answer={"width": SIDE, "height": SIDE},
        )
        for title, place in zip(
            titles, (len(order) // 10, len(order) // 2, -1), strict=True
        )
    )


def describe(
    ran: Training,
    metrics: Mapping[str, Any],
    threshold: float,
    examples: tuple[Example, ...],
) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    test, otsu = metrics["test"], metrics["baselines"]["otsu"]
    groups = ", ".join(
        f"{name} {figures['mean_iou']:.2f} and {figures['f1_at_0.5']:.2f}"
        for name, figures in metrics["groups"].items()
    )
    inverted = metrics["probes"]["inverted"]
    return Card(
        name="cells",
        task=ImageSegmentation(
            size=(SIDE, SIDE),
            colour="grey",
            resize="tile",
            overlap=2 * REACH,
            threshold=threshold,
            instances="cores",
            examples=examples,
        ),
        description=(
            "Nuclei of cells in pictures of a fluorescence microscope: which pixels "
            "are of one, how many there are, where, and how large each is. A small "
            "U-Net of two maps, nuclei and their cores, by which nuclei that touch are "
            f"told apart. Pictures of any size, in grey, are read in tiles of {SIDE} × "
            f"{SIDE} pixels that overlap by so much that the seams are not there."
        ),
        intended_use=(
            "Teaching, and counting nuclei in pictures like those that it learnt from, "
            "where a person looks at the outlines. No diagnosis."
        ),
        limits=(
            "All 334 pictures are of one kind of staining: fluorescent nuclei, light "
            "on dark, most of them 5 to 25 pixels wide. How it fares with "
            "other stainings, as of purple tissue, was not measured; dark on light it "
            "has never seen, and on the test pictures turned so its mean intersection "
            f"over union is {inverted['mean_iou']:.2f}. On "
            f"{test['pictures']} pictures that it never saw it is "
            f"{test['mean_iou']:.3f} ± {test['mean_iou_standard_error']:.3f}, Otsu's "
            f"threshold {otsu['mean_iou']:.3f}; the worst picture has "
            f"{test['worst_iou']:.2f}. Of a hundred nuclei it misses "
            f"{100 * test['missed']:.0f}, and of a hundred that it names "
            f"{100 * test['false']:.0f} are none, or are cut or joined otherwise. It "
            "treats pictures differently (mean intersection over union, and F1 of "
            f"single nuclei): {groups}. Pictures were dealt out one by one; those of "
            "one experiment are alike and are in all parts, so on another laboratory's "
            "it will do worse. Areas are in pixels: it knows no micrometres."
        ),
        labels=LABELS,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
    )


def draw_reports(
    test: Nuclei, masks: Bools, found: Found, history: Mapping[str, list[float]]
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    order = np.argsort(found.overlap)
    middle = len(order) // 2
    return {
        "learning_curves.png": plots.draw_learning_curves(history),
        "worst_pictures.png": draw_outlines(test, masks, order[:SHOWN]),
        "usual_pictures.png": draw_outlines(
            test, masks, order[max(0, middle - SHOWN // 2) :][:SHOWN]
        ),
    }


def draw_outlines(nuclei: Nuclei, masks: Bools, rows: npt.NDArray[np.integer]) -> bytes:
    """Draw pictures with what is nucleus (green) and what was said to be (red)."""
    figure = Figure(figsize=(3 * len(rows), 3), layout="constrained")
    for axes, row in zip(
        np.atleast_1d(figure.subplots(1, len(rows))), rows, strict=True
    ):
        picture = nuclei.pictures[row]
        axes.imshow(picture, cmap="gray", vmax=max(1, np.percentile(picture, 99.8)))
        for mask, colour in ((nuclei.labels[row] > 0, "lime"), (masks[row], "red")):
            if mask.any() and not mask.all():
                axes.contour(mask, [0.5], colors=colour, linewidths=0.7)
        axes.set_axis_off()
    return plots.encode(figure)


def _to_base64(picture: npt.NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()

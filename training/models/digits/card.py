"""What the digits model says of itself, in pictures and words."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from service.models.digits.finding import DOUBTFUL_FROM
from training.core.export import Card
from training.core.split import Rows
from training.plots import classification as plots

LABELS = (*"0123456789", "no digit")
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32)


def draw_reports(
    test: Rows,
    probabilities: npt.NDArray[np.float32],
    history: dict[str, list[float]],
    finder_history: dict[str, list[float]],
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    confusion = confusion_matrix(test.labels, predictions, labels=range(len(LABELS)))
    curves = {
        f"{name}learning_curves.png": plots.draw_learning_curves(each)
        for name, each in (("", history), ("finder_", finder_history))
        if each
    }
    return {
        **curves,
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, LABELS),
        "worst_mistakes.png": plots.draw_worst_mistakes(
            test.inputs, test.labels, probabilities, LABELS
        ),
        "reliability.png": plots.draw_reliability(
            predictions == test.labels, confidence
        ),
    }


def describe(ran: Training, metrics: dict[str, Any], threshold: float) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="digits",
        task="image classification",
        description=(
            "Handwritten digits 0 to 9, in photos too. `find` looks at a picture of "
            "224×224 pixels in colour and says of each pixel whether it is ink of a "
            "digit or a letter, and where the middles of these are: a small U-Net, "
            "trained on scenes written with MNIST's training digits. `serving_default` "
            "says of 28×28 grey pixels (0 = background, 255 = ink, the digit fitted "
            "into 20×20 with its centre of mass in the middle) which digit they show, "
            "or that it is none: a CNN of five convolutions and two dense layers. "
            "Probabilities are calibrated."
        ),
        intended_use=(
            "Reading handwritten digits in photos, scans and drawings, where a person "
            "checks the doubtful ones."
        ),
        limits=(
            "MNIST's writers were US census employees and high-school students around "
            "1990. A 1 with an upstroke and a 7 with a bar, as written in Europe, were "
            "drawn, not collected; digits of other scripts are unknown. A letter that "
            "looks like a digit (O, I, l, S, Z, B) is read as one. Digits lower than "
            "a twelfth of the picture, and digits that touch, are often missed."
        ),
        labels=LABELS,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
        constants={DOUBTFUL_FROM: threshold},
    )

"""What the digits model says of itself, in pictures and words."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from training.core.export import Card
from training.core.split import Rows
from training.plots import classification as plots

LABELS = tuple("0123456789")
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32)


def draw_reports(
    test: Rows,
    probabilities: npt.NDArray[np.float32],
    history: dict[str, list[float]],
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    confusion = confusion_matrix(test.labels, predictions, labels=range(len(LABELS)))
    return {
        "learning_curves.png": plots.draw_learning_curves(history),
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, LABELS),
        "worst_mistakes.png": plots.draw_worst_mistakes(
            test.inputs, test.labels, probabilities, LABELS
        ),
        "reliability.png": plots.draw_reliability(
            predictions == test.labels, confidence
        ),
    }


def describe(ran: Training, metrics: dict[str, Any]) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="digits",
        task="image classification",
        description=(
            "Handwritten digits 0 to 9: a CNN of five convolutions and two dense "
            "layers, trained on distorted MNIST images. Input: 28×28 grey pixels, "
            "0 = background, 255 = ink; the digit fitted into 20×20 with its centre "
            "of mass in the middle. Output: calibrated probabilities."
        ),
        intended_use=(
            "Reading single handwritten digits in pictures brought to the form of "
            "MNIST, where a person checks the doubtful ones."
        ),
        limits=(
            "Knows nothing but the ten digits, and gives letters, several digits or "
            "noise one of them all the same. MNIST's writers were US census employees "
            "and high-school students around 1990; other hands, print and other "
            "scripts were not measured. Confidence is calibrated on MNIST only."
        ),
        labels=LABELS,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
    )

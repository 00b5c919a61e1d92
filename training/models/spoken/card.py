"""What the spoken model says of itself, in words and in pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from service.contract.manifest import Training
from service.contract.task import AudioClassification, Example
from training.core.export import Card
from training.models.spoken.measures import UNSURE, name_worst
from training.models.spoken.spectrogram import RATE
from training.plots import classification as plots

LABELS = tuple("0123456789")
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
LONGEST_SECONDS = 10
LONGEST = LONGEST_SECONDS * RATE  # samples


def draw_reports(
    digits: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.floating],
    history: dict[str, list[float]],
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG.

    Args:
        digits: (rows,) said by speakers who were left out.
        probabilities: (rows, 10) of these.
        history: of the training of what is served.
    """
    said, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    confusion = confusion_matrix(digits, said, labels=range(len(LABELS)))
    return {
        "learning_curves.png": plots.draw_learning_curves(history),
        "confusion_matrix.png": plots.draw_confusion_matrix(confusion, LABELS),
        "reliability.png": plots.draw_reliability(said == digits, sure),
    }


def describe(
    ran: Training, metrics: Mapping[str, Any], examples: tuple[Example, ...]
) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    strangers, test = metrics["held_out_speakers"], metrics["test"]
    worst = name_worst(strangers["by_speaker"])
    apart = ", ".join(f"{name} {wrong:.1%}" for name, wrong in worst)
    return Card(
        name="spoken",
        task=AudioClassification(
            rate=RATE,
            samples=LONGEST,
            max_seconds=LONGEST_SECONDS,
            top_k=len(LABELS),
            warn_below=UNSURE,
            examples=examples,
        ),
        description=(
            "Which digit, 0 to 9, somebody says in English: "
            f"{strangers['accuracy']:.1%} ± "
            f"{strangers['accuracy_standard_error']:.1%} of recordings by speakers "
            f"that it had never heard, {test['accuracy']:.1%} by those that it knows. "
            "A CNN on the log-mel spectrogram of the loudest word in up to "
            f"{LONGEST_SECONDS} s; whole numbers of 16 bits at {RATE:,} samples a "
            "second go in, all else is in the graph. What the ten probabilities lack "
            "of 1 is that of no digit."
        ),
        intended_use=(
            "Teaching and trying out: one spoken digit, held against a button. No "
            "telephone numbers, and nothing that matters, without a person who checks."
        ),
        limits=(
            "Learnt from six speakers, all of them men: two with an American accent, "
            "two with a German, one with a Belgian and one with a Greek one. Women, "
            "children and other accents are in none of its figures; voices were only "
            "made higher and lower by arithmetic. Of those left out it mistakes, in "
            f"turn: {apart} of what they say. One word at a time: of several it takes "
            "the loudest. Another word than a digit is often taken for one without a "
            "warning. Music and noise that it learnt to refuse were made by "
            "arithmetic. Its probabilities are calibrated for speakers that it has "
            "not heard."
        ),
        labels=LABELS,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
    )

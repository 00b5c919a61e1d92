"""How good the digits model is: on MNIST, on spoilt images, on what is no digit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from training.core.export import Function
from training.core.prediction import predict
from training.core.split import Rows
from training.metrics.classification import summarise_classifier
from training.models.digits.card import LABELS
from training.models.digits.evaluation.corruptions import accuracies
from training.models.digits.writing import NO_DIGIT

Floats = npt.NDArray[np.float32]

DOUBTED = 0.004  # of good pictures that may be called doubtful


def choose_threshold(rows: Rows, probabilities: Floats) -> float:
    """From which probability of "no digit" on a warning is due.

    So that few good pictures get one; at least 0.2 and at most 0.8.

    Args:
        rows: of the validation split.
        probabilities: (rows, 11) of these.
    """
    of_digits = probabilities[rows.labels != NO_DIGIT, NO_DIGIT]
    return round(float(np.clip(np.quantile(of_digits, 1 - DOUBTED), 0.2, 0.8)), 3)


def measure(
    test: Rows,
    on_test: Floats,
    validation: Rows,
    classifier: Function,
    threshold: float,
) -> dict[str, Any]:
    """Collect the figures for the manifest.

    Args:
        test: MNIST's test images.
        on_test: (rows, 11) probabilities of these.
        validation: rows with what is cut out and drawn among them.
        classifier: as it is served.
        threshold: see `choose_threshold`.
    """

    def classify(images: npt.NDArray[np.uint8]) -> Floats:
        return predict(classifier.call, {"images": images})["probabilities"]

    def read(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The likeliest of the ten digits, as the endpoint answers it."""
        digits: npt.NDArray[np.int64] = classify(images)[:, :NO_DIGIT].argmax(axis=1)
        return digits.astype(np.uint8)

    on_validation = classify(validation.inputs)
    flagged = on_validation[:, NO_DIGIT] > threshold
    is_digit = validation.labels != NO_DIGIT
    spoilt = accuracies(test.inputs, test.labels.astype(np.uint8), read)
    right = on_test[:, :NO_DIGIT].argmax(axis=1) == test.labels
    return {
        "test": summarise_classifier(test.labels, on_test, LABELS),
        "validation": summarise_classifier(validation.labels, on_validation, LABELS),
        "test_read": {
            "accuracy": round(float(right.mean()), 4),
            "errors": int((~right).sum()),
        },
        "test_flagged": round(float(np.mean(on_test[:, NO_DIGIT] > threshold)), 5),
        "validation_digits_flagged": round(float(flagged[is_digit].mean()), 5),
        "validation_others_flagged": round(float(flagged[~is_digit].mean()), 5),
        "mnist_c_mean": round(float(np.mean([*spoilt.values()])), 4),
        "mnist_c": {name: round(share, 4) for name, share in spoilt.items()},
    }

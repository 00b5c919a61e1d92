"""Quality figures of classifiers as pure functions: arrays in, numbers out."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


def accuracy(labels: Integers, predictions: Integers) -> float:
    """Share of rows, 0 to 1, whose prediction is the label; both (rows,) integers."""
    return float(np.mean(labels == predictions))


def confusion_matrix(
    labels: Integers, predictions: Integers, classes: int
) -> npt.NDArray[np.int64]:
    """Count rows by true class and predicted class.

    Args:
        labels: (rows,) true class, 0 to `classes` - 1.
        predictions: (rows,) predicted class, likewise.
        classes: how many there are.

    Returns:
        (classes, classes) int64: [true, predicted] → rows.
    """
    cells = labels.astype(np.int64) * classes + predictions
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def precision_per_class(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of the rows called a class, the share that is of it.

    Args:
        confusion: (classes, classes) rows by [true, predicted].

    Returns:
        (classes,) float64, 0 to 1; 0 where a class was never predicted.
    """
    return _share(np.diag(confusion), confusion.sum(axis=0))


def recall_per_class(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of the rows of a class, the share that was called it.

    Args:
        confusion: (classes, classes) rows by [true, predicted].

    Returns:
        (classes,) float64, 0 to 1; 0 where a class has no rows.
    """
    return _share(np.diag(confusion), confusion.sum(axis=1))


def log_loss(labels: Integers, probabilities: Floats) -> float:
    """Mean negative logarithm of the probability given to the true class, in nats.

    Args:
        labels: (rows,) true class.
        probabilities: (rows, classes), 0 to 1, each row adding up to 1.
    """
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.mean(np.log(np.maximum(given, np.finfo(np.float32).tiny))))


def reliability(
    correct: npt.NDArray[np.bool_], confidence: Floats, bins: int = 15
) -> npt.NDArray[np.float64]:
    """Compare how sure a model was with how often it was right, by confidence.

    Args:
        correct: (rows,) bool, the prediction was right.
        confidence: (rows,) probability of the predicted class, 0 to 1.
        bins: equal parts of 0 to 1; the upper edge belongs to its bin.

    Returns:
        (filled bins, 3) float64: rows, mean confidence, share correct.
    """
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    sure = np.bincount(bin_of, weights=confidence, minlength=bins)
    right = np.bincount(bin_of, weights=correct.astype(np.float64), minlength=bins)
    filled = rows > 0
    counted = rows[filled].astype(np.float64)
    return np.column_stack([counted, sure[filled] / counted, right[filled] / counted])


def expected_calibration_error(
    correct: npt.NDArray[np.bool_], confidence: Floats, bins: int = 15
) -> float:
    """Mean distance of confidence from accuracy over confidence bins, by rows.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    2017, equation 3, with their 15 bins. 0 is calibrated, 1 the worst.

    Args:
        correct: (rows,) bool, the prediction was right.
        confidence: (rows,) probability of the predicted class, 0 to 1.
        bins: equal parts of 0 to 1.
    """
    rows, sure, right = reliability(correct, confidence, bins).T
    return float(np.sum(rows * np.abs(sure - right)) / np.sum(rows))


def fit_temperature(labels: Integers, logits: Floats) -> float:
    """Find the temperature that makes softmax(logits / temperature) calibrated.

    Minimises the log loss, which has one minimum in 1 / temperature, by
    golden-section search (Guo et al. 2017, section 4.2). It changes no prediction.

    Args:
        labels: (rows,) true class, of rows that were not trained on.
        logits: (rows, classes).

    Returns:
        A temperature from 0.1 to 10; above 1 the model was too sure.
    """
    low, high = 0.1, 10.0
    ratio = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if log_loss(labels, softmax(logits * left)) < log_loss(
            labels, softmax(logits * right)
        ):
            high = right
        else:
            low = left
    return float(2 / (low + high))


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Turn (rows, classes) logits into probabilities that add up to 1 in each row."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def summarise_classifier(
    labels: Integers, probabilities: Floats, names: tuple[str, ...]
) -> dict[str, object]:
    """Collect, for a manifest, what a classifier did on rows it never saw.

    Args:
        labels: (rows,) true class.
        probabilities: (rows, classes), each row adding up to 1.
        names: the name of each class, by its index.

    Returns:
        JSON-ready figures: accuracy, errors, rows, log loss, expected calibration
        error, and precision and recall by the class's name.
    """
    predictions = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    correct = predictions == labels
    confusion = confusion_matrix(labels, predictions, len(names))
    precision, recall = precision_per_class(confusion), recall_per_class(confusion)
    return {
        "accuracy": round(accuracy(labels, predictions), 6),
        "errors": int(np.sum(~correct)),
        "rows": len(labels),
        "log_loss": round(log_loss(labels, probabilities), 6),
        "expected_calibration_error": round(
            expected_calibration_error(correct, confidence), 6
        ),
        "precision": _by_name(names, precision),
        "recall": _by_name(names, recall),
    }


def _by_name(
    names: tuple[str, ...], values: npt.NDArray[np.float64]
) -> dict[str, float]:
    return {
        name: round(float(value), 6) for name, value in zip(names, values, strict=True)
    }


def _share(
    part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)

"""The pictures are PNGs of a legible size, whatever the figures."""

import io

import numpy as np
import pytest
from PIL import Image

from training.plots import classification as plots

NAMES = tuple("abc")


def opened(png: bytes) -> Image.Image:
    assert len(png) < 200_000
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert min(image.size) > 150
    return image


@pytest.mark.parametrize("epochs", [1, 40])
def test_learning_curves_have_a_plot_for_each_metric(epochs: int) -> None:
    curve = list(np.linspace(0.9, 0.0, epochs))
    lower = [value / 2 for value in curve]
    history = {"loss": curve, "accuracy": curve, "val_loss": lower}

    one = opened(plots.draw_learning_curves(history))
    two = opened(plots.draw_learning_curves({**history, "val_accuracy": lower}))

    assert two.width == 2 * one.width


@pytest.mark.parametrize("errors", [0, 5])
def test_a_confusion_matrix_is_drawn_with_and_without_errors(errors: int) -> None:
    confusion = np.diag([9, 9, 9])
    confusion[0, 2] = errors

    opened(plots.draw_confusion_matrix(confusion, NAMES))


@pytest.mark.parametrize("mistakes", [0, 1, 60])
def test_mistakes_are_drawn_however_many(mistakes: int) -> None:
    images = np.zeros((60, 28, 28), np.uint8)
    labels = np.zeros(60, np.uint8)
    labels[:mistakes] = 1
    probabilities = np.tile([0.9, 0.1, 0.0], (60, 1))

    opened(plots.draw_worst_mistakes(images, labels, probabilities, NAMES))


def test_reliability_is_drawn() -> None:
    confidence = np.linspace(0, 1, 50)

    opened(plots.draw_reliability(confidence > 0.4, confidence))

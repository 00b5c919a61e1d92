"""The network: a spectrogram to eleven logits, the ten digits and what is none."""

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best
from training.core.layers import convolve
from training.models.spoken.spectrogram import BANDS, FRAMES

DIGITS = 10
CLASSES = DIGITS + 1
NO_DIGIT = DIGITS  # the eleventh class
ONE_HOT = np.eye(CLASSES, dtype=np.float32)
SHIFT = 6  # spectra by which a word is moved about at most, while it is learnt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a network is trained.

    Attributes:
        epochs: each over every recording, spoilt in one of the ways in turn.
        batch_size: rows in a step.
        learning_rate: the highest.
        weight_decay: see `build_adamw`.
        dropout: share of the features before the last layer.
        smoothing: share of a label that goes to all classes.
        hidden_bands: most bands that are hidden from it.
        hidden_frames: most spectra that are.
    """

    epochs: int = 26
    batch_size: int = 64
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    dropout: float = 0.3
    smoothing: float = 0.1
    hidden_bands: int = 6
    hidden_frames: int = 12


def build(dropout: float) -> Any:
    """Make the network: (rows, FRAMES, BANDS) to (rows, CLASSES) logits."""
    spectrogram = keras.Input((FRAMES, BANDS), name="spectrogram")
    x = keras.layers.Reshape((FRAMES, BANDS, 1))(spectrogram)
    x = convolve(x, 16, 5, "first", stride=2)
    x = convolve(x, 32, 3, "second", stride=2)
    x = convolve(x, 64, 3, "third")
    x = convolve(x, 96, 3, "fourth", stride=2)
    # Where in time it lies is no matter, where in pitch is.
    loud = keras.layers.MaxPooling2D((FRAMES // 8, 1), name="loudest")(x)
    mean = keras.layers.AveragePooling2D((FRAMES // 8, 1), name="mean")(x)
    x = keras.layers.Concatenate()([loud, mean])
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(spectrogram, keras.layers.Dense(CLASSES, name="logits")(x))


def fit(
    bank: Floats,
    labels: Integers,
    validation: tuple[Floats, Integers],
    how: Fitting,
    seed: int,
) -> tuple[Any, dict[str, list[float]]]:
    """Train a network.

    Args:
        bank: float16 (ways, rows, FRAMES + 2 × SHIFT, BANDS): every row spoilt in some
            ways, which take turns by epoch.
        labels: (rows,), 0 to CLASSES - 1.
        validation: spectrograms (rows, FRAMES, BANDS) and labels, to choose the epoch.
        how: See `Fitting`.
        seed: Of the order, and of what is hidden.

    Returns:
        The network, and Keras's history.
    """
    keras.utils.set_random_seed(seed)
    model = build(how.dropout)
    steps = max(1, len(labels) // how.batch_size)
    model.compile(
        optimizer=build_adamw(how.learning_rate, how.weight_decay, how.epochs, steps),
        loss=keras.losses.CategoricalCrossentropy(True, how.smoothing),
        metrics=["accuracy"],
    )
    spectrograms, true = validation
    known = tf.data.Dataset.from_tensor_slices((spectrograms, ONE_HOT[true])).batch(250)
    stream = tf.data.Dataset.from_generator(
        lambda: _batches(bank, ONE_HOT[labels], how, seed),
        output_signature=(
            tf.TensorSpec((None, FRAMES, BANDS), tf.float32),
            tf.TensorSpec((None, CLASSES), tf.float32),
        ),
    )
    return model, fit_best(model, stream, known, how.epochs, steps)


def _batches(bank: Floats, labels: Floats, how: Fitting, seed: int) -> Any:
    """Batches without end, of the next way in each epoch."""
    rng = np.random.default_rng(seed)
    size = min(how.batch_size, len(labels))
    for epoch in itertools.count():
        order = rng.permutation(len(labels))
        for first in range(0, len(order) - size + 1, size):
            rows = order[first : first + size]
            seen = np.stack(
                [_hide(each, how, rng) for each in bank[epoch % len(bank), rows]]
            )
            yield seen, labels[rows]


def _hide(spectrogram: Floats, how: Fitting, rng: np.random.Generator) -> Floats:
    """Move a word about, and hide some bands and some spectra (SpecAugment).

    Park et al., "SpecAugment", 2019.
    """
    start = rng.integers(2 * SHIFT + 1)
    seen = spectrogram[start : start + FRAMES].astype(np.float32)
    middle = seen.mean()
    for axis, most in ((0, how.hidden_frames), (1, how.hidden_bands)):
        width = int(rng.integers(most + 1))
        at = int(rng.integers(seen.shape[axis] - width + 1))
        hidden = slice(at, at + width)
        seen[(hidden,) if axis == 0 else (slice(None), hidden)] = middle
    return seen

"""Train the judge of clothing: Fashion-MNIST → a small CNN → weights/.

An instrument, not a product: what it says of drawn images measures those who drew
them, so it stays as it is once trained, and no generator ever learns from it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.manifest import Training
from training.core import provenance
from training.core.fitting import build_adamw, fit_best, make_repeatable
from training.core.options import RunOptions
from training.core.split import Rows, split_evenly
from training.datasets import fashion_mnist
from training.datasets.fashion_mnist import CATEGORIES
from training.metrics import classification
from training.models.clothing.decoder import one_hot

log = logging.getLogger(__name__)

JUDGE_DIR = Path(__file__).parent / "weights"
WEIGHTS = "fashion.npz"
FACTS = "fashion.json"
FEATURES = 96


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of the training images to use at most.
        validation_rows: cut from the training set, a tenth of them of each category.
        batch_size: images in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        dropout: share of what the features are made of that is dropped.
        smoothing: share of the label spread evenly over all categories.
        shift: the furthest an image is moved along each axis, in pixels.
    """

    epochs: int = 24
    train_rows: int = 55_000
    validation_rows: int = 5_000
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    smoothing: float = 0.05
    shift: int = 2


QUICK = Recipe(epochs=2, train_rows=10_000)


class JudgeUnusable(ValueError):
    """The judge's files are absent, or not those that its facts speak of."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the judge saw in images.

    Attributes:
        features: (rows, 96) float32, 0 or more: the last layer before the categories.
        probabilities: (rows, 10) float32, of `CATEGORIES`, each row adding up to 1.
    """

    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judge:
    """A trained classifier of clothing.

    Attributes:
        network: traced, pixels (rows, 28, 28) float32 to features and logits.
        sha256: of its weights, to say in a manifest who judged.
    """

    network: Any
    sha256: str

    def look(self, images: npt.NDArray[np.uint8]) -> Look:
        """See images: (rows, 28, 28) uint8, 0 = background; at least one.

        Raises:
            ValueError: Not such an array.
        """
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or not len(images):
            raise ValueError(
                "images: expected (rows, 28, 28) uint8, "
                f"received {images.shape} {images.dtype}"
            )
        parts = [
            self.network(tf.cast(images[start : start + 500], tf.float32))
            for start in range(0, len(images), 500)
        ]
        features, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Look(features, classification.softmax(logits).astype(np.float32))

    def features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give what `look` sees as features, alone."""
        return self.look(images).features

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give what `look` sees as categories, alone."""
        return self.look(images).probabilities


def train(options: RunOptions) -> None:
    """The judge of drawn clothing: a CNN on Fashion-MNIST.

    About a quarter of an hour on two idle cores. Written to the folder weights/ beside
    this file, not to the artifacts. One that is there is kept, because figures of two
    judges cannot be compared: remove it to train another. A quick one is not kept.
    """
    if not options.quick and (JUDGE_DIR / WEIGHTS).exists():
        log.info("Kept the judge in %s; remove it to train another", JUDGE_DIR)
        return
    recipe = QUICK if options.quick else Recipe()
    recipe = replace(recipe, epochs=options.epochs or recipe.epochs)
    data = fashion_mnist.load(options.data_dir)
    whole = Rows(data.train_images, data.train_labels)
    training, validation = split_evenly(whole, recipe.validation_rows, options.seed)
    training = training.first(recipe.train_rows)
    test = Rows(data.test_images, data.test_labels)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model = build_model(recipe.dropout)
    fit(model, training, validation, recipe, options.seed)
    rows = {"train": len(training), "validation": len(validation), "test": len(test)}
    ran = run.finish((fashion_mnist.describe(rows),), recipe.epochs, asdict(recipe))

    metrics = measure(model, {"validation": validation, "test": test})
    log.info("Test accuracy %.2f %%", 100 * metrics["test"]["accuracy"])
    if not options.quick:
        write_judge(model, ran, metrics, JUDGE_DIR)


def build_model(dropout: float) -> Any:
    """Build the CNN: pixels (rows, 28, 28) float32, 0 to 255, to logits (rows, 10).

    Six convolutions, two of them residual (He et al., "Deep residual learning for
    image recognition", 2016), then the features; 16 MFLOP an image.
    """
    layers = keras.layers
    pixels = keras.Input((28, 28), name="pixels")
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    x = _convolve(x, 24, "conv1")
    x = layers.MaxPooling2D(name="pool1")(x)
    x = _convolve(x, 36, "conv2")
    x = layers.Add(name="add3")([x, _convolve(x, 36, "conv3")])
    x = layers.MaxPooling2D(name="pool2")(x)
    x = _convolve(x, 72, "conv4")
    x = layers.Add(name="add5")([x, _convolve(x, 72, "conv5")])
    x = layers.MaxPooling2D(name="pool3")(x)
    x = layers.Flatten(name="flatten")(_convolve(x, 96, "conv6"))
    x = layers.Dropout(dropout, name="dropout")(x)
    x = _normalise(layers.Dense(FEATURES, use_bias=False, name="dense")(x), "features")
    return keras.Model(pixels, layers.Dense(len(CATEGORIES), name="logits")(x))


def fit(
    model: Any, training: Rows, validation: Rows, recipe: Recipe, seed: int
) -> dict[str, list[float]]:
    """Train on mirrored and moved images, keep the epoch best on untouched ones."""
    steps = len(training) // recipe.batch_size
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate, recipe.weight_decay, recipe.epochs, steps
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.smoothing
        ),
        metrics=["accuracy"],
    )
    untouched = (validation.inputs.astype(np.float32), one_hot(validation.labels))
    held_out = tf.data.Dataset.from_tensor_slices(untouched).batch(500)
    stream = stream_varied(training, recipe, seed)
    return fit_best(model, stream, held_out, recipe.epochs, steps)


def stream_varied(training: Rows, recipe: Recipe, seed: int) -> Any:
    """Stream batches without end, reshuffled in each epoch, each image varied anew."""

    def vary_batch(number: Any, batch: Any) -> Any:
        images, labels = batch
        seeds = tf.stack([tf.constant(seed, tf.int64), number])
        return tf.cast(vary(images, seeds, recipe.shift), tf.float32), labels

    return (
        tf.data.Dataset.from_tensor_slices((training.inputs, one_hot(training.labels)))
        .shuffle(len(training), seed=seed)
        .batch(recipe.batch_size, drop_remainder=True)
        .repeat()
        .enumerate()
        .map(vary_batch, num_parallel_calls=1)
        .prefetch(4)
    )


def vary(images: Any, seed: Any, shift: int) -> Any:
    """Mirror every second image or so, and move each by whole pixels.

    Args:
        images: (rows, 28, 28) of any dtype, background 0.
        seed: (2,) int64; the same seed varies in the same way.
        shift: the furthest along each axis, in pixels.

    Returns:
        Images of the same shape and dtype.
    """
    rows = tf.shape(images)[0]
    seeds = tf.unstack(tf.random.split(seed, 2), num=2)
    mirrored = tf.random.stateless_uniform((rows, 1, 1), seeds[0]) < 0.5
    images = tf.where(mirrored, tf.reverse(images, [2]), images)
    images = tf.pad(images, [[0, 0], [shift, shift], [shift, shift]])
    corner = tf.random.stateless_uniform(
        (2, rows, 1), seeds[1], 0, 2 * shift + 1, tf.int32
    )
    places = corner + tf.range(28)
    images = tf.gather(images, places[0], axis=1, batch_dims=1)
    return tf.gather(images, places[1], axis=2, batch_dims=1)


def measure(model: Any, parts: Mapping[str, Rows]) -> dict[str, Any]:
    """Say how good the judge is on each split, and how large it is; JSON-ready."""
    metrics: dict[str, Any] = {
        "mflop": round(provenance.count_mflop(model), 2),
        "parameters": model.count_params(),
    }
    for name, part in parts.items():
        probabilities = as_judge(model, "").probabilities(part.inputs)
        metrics[name] = classification.summarise_classifier(
            part.labels, probabilities, CATEGORIES
        )
    return metrics


def as_judge(model: Any, sha256: str) -> Judge:
    """Let a model of `build_model` show its features beside its logits."""
    features = model.get_layer("features_relu").output
    both = keras.Model(model.input, [features, model.output])
    images = tf.TensorSpec((None, 28, 28), tf.float32)
    see = tf.function(lambda pixels: both(pixels, training=False))
    return Judge(see.get_concrete_function(images), sha256)


def write_judge(
    model: Any, ran: Training, metrics: Mapping[str, Any], folder: Path
) -> None:
    """Write the weights, and beside them the facts, with the weights' SHA-256."""
    folder.mkdir(exist_ok=True)
    weights = {str(i).zfill(2): array for i, array in enumerate(model.get_weights())}
    np.savez(folder / WEIGHTS, **weights)
    content = (folder / WEIGHTS).read_bytes()
    facts = {
        "weights": WEIGHTS,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "metrics": dict(metrics),
        "training": ran.model_dump(mode="json"),
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")


def load_judge(folder: Path = JUDGE_DIR) -> Judge:
    """Load the judge that is kept with the code.

    Raises:
        JudgeUnusable: A file is absent, or the weights are not the ones described.
    """
    try:
        facts = json.loads((folder / FACTS).read_text())
        content = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        raise JudgeUnusable(
            f"{error.filename}: no judge; train one: python -m training fashion_judge"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != facts["sha256"]:
        raise JudgeUnusable(
            f"{WEIGHTS}: expected SHA-256 {facts['sha256']}, received {found}"
        )
    model = build_model(dropout=0.0)
    with np.load(folder / WEIGHTS) as weights:
        model.set_weights([weights[name] for name in sorted(weights.files)])
    return as_judge(model, found)


def _convolve(x: Any, filters: int, name: str) -> Any:
    layer = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)
    return _normalise(layer(x), name)


def _normalise(x: Any, name: str) -> Any:
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

"""Train the digit classifier: MNIST → a small CNN → artifacts/digits/<version>.

load ─▶ build_model ─▶ fit ─▶ calibrate ─▶ measure on the test images ─▶ export
"""

import logging
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.export import (
    DEFAULT_SIGNATURE,
    Function,
    HeldOut,
    export_version,
)
from training.core.fitting import (
    build_adamw,
    fit_best,
    make_repeatable,
    stream_batches,
)
from training.core.layers import convolve, normalise
from training.core.options import RunOptions
from training.core.prediction import predict
from training.core.split import Rows, Splits, split_images
from training.datasets import mnist
from training.metrics.classification import fit_temperature, summarise_classifier
from training.models.digits.card import LABELS, describe, draw_reports
from training.models.digits.distortion import Distortion, distort

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of the training images to use at most.
        validation_rows: cut from the training set, a tenth of them of each digit.
        batch_size: images in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        dropout: share of features dropped before each dense layer.
        distortion: how far each training image is distorted, anew in each epoch.
    """

    epochs: int = 40
    train_rows: int = 55_000
    validation_rows: int = 5_000
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.4
    distortion: Distortion = field(default_factory=Distortion)


QUICK = Recipe(epochs=3, train_rows=12_000)


def train(options: RunOptions) -> None:
    """Handwritten digits: a CNN on MNIST.

    About half an hour on two cores.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    data = mnist.load(options.data_dir)
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model = build_model(recipe.dropout)
    history = fit(model, splits, recipe, options.seed)
    temperature = calibrate(model, splits.validation)
    ran = run.finish(
        (mnist.describe(splits.count()),),
        recipe.epochs,
        asdict(recipe) | {"temperature": temperature},
    )

    function = build_function(model, temperature, splits.validation.inputs[:64])
    on_test = classify(function, splits.test)  # the only look at the test images
    on_validation = classify(function, splits.validation)
    metrics = {
        "test": summarise_classifier(splits.test.labels, on_test, LABELS),
        "validation": summarise_classifier(
            splits.validation.labels, on_validation, LABELS
        ),
        "mflop": round(provenance.count_mflop(model), 2),
        "parameters": model.count_params(),
    }
    folder = export_version(
        describe(ran, metrics),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        held_out={
            DEFAULT_SIGNATURE: HeldOut(
                {"images": splits.test.inputs}, splits.test.labels
            )
        },
        reports=draw_reports(splits.test, on_test, history),
    )
    log.info("Wrote %s: test accuracy %s", folder, metrics["test"]["accuracy"])


def build_model(dropout: float) -> Any:
    """Build the CNN: pixels (rows, 28, 28) float32, 0 to 255, to logits (rows, 10).

    Five convolutions and two dense layers; 16 MFLOP an image, to be cheap to serve.
    """
    layers = keras.layers
    pixels = keras.Input((28, 28), name="pixels")
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    x = convolve(x, 24, 5, "conv1", padding="valid")
    x = layers.MaxPooling2D(name="pool1")(x)
    x = convolve(x, 48, 3, "conv2")
    x = convolve(x, 48, 3, "conv3")
    x = layers.MaxPooling2D(name="pool2")(x)
    x = convolve(x, 96, 3, "conv4")
    x = convolve(x, 96, 3, "conv5", padding="valid")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = normalise(layers.Dense(128, use_bias=False, name="dense1")(x), "dense1")
    x = layers.Dropout(dropout, name="dropout2")(x)
    return keras.Model(pixels, layers.Dense(len(LABELS), name="logits")(x))


def fit(
    model: Any, splits: Splits, recipe: Recipe, seed: int
) -> dict[str, list[float]]:
    """Train on distorted images, validate on untouched ones, keep the best epoch."""
    steps = len(splits.train) // recipe.batch_size
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate, recipe.weight_decay, recipe.epochs, steps
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    validation = (splits.validation.inputs.astype(np.float32), splits.validation.labels)
    held_out = tf.data.Dataset.from_tensor_slices(validation).batch(500)
    stream = stream_distorted(splits.train, recipe, seed)
    return fit_best(model, stream, held_out, recipe.epochs, steps)


def stream_distorted(training: Rows, recipe: Recipe, seed: int) -> Any:
    """Stream batches without end, reshuffled in each epoch, each image distorted anew.

    Every batch is distorted by a seed of its own, made of `seed` and its number, so the
    stream is the same in each run.
    """

    def distort_batch(number: Any, batch: Any) -> Any:
        images, labels = batch
        seeds = tf.stack([tf.constant(seed, tf.int64), number])
        return distort(tf.cast(images, tf.float32), seeds, recipe.distortion), labels

    batches = stream_batches(
        (training.inputs, training.labels), recipe.batch_size, seed
    )
    return batches.enumerate().map(distort_batch, num_parallel_calls=1).prefetch(4)


def calibrate(model: Any, validation: Rows) -> float:
    """Find the temperature at which confidence on the validation split is honest."""
    pixels = validation.inputs.astype(np.float32)
    logits = model.predict(pixels, batch_size=500, verbose=0)
    return round(fit_temperature(validation.labels, logits), 4)


def build_function(
    model: Any, temperature: float, sample: npt.NDArray[np.uint8]
) -> Function:
    """Wrap the model as it is served: images (rows, 28, 28) uint8 → probabilities."""

    def classify(images: Any) -> dict[str, Any]:
        logits = model(tf.cast(images, tf.float32), training=False)
        return {"probabilities": tf.nn.softmax(logits / temperature)}

    images = TensorSpec(name="images", dtype="uint8", shape=(None, 28, 28))
    return Function(classify, inputs=(images,), sample={"images": sample})


def classify(function: Function, rows: Rows) -> npt.NDArray[np.float32]:
    """Give (rows, 10) float32 probabilities by the function that is served."""
    return predict(function.call, {"images": rows.inputs})["probabilities"]

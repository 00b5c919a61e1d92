"""Train the digit classifier: MNIST → a small CNN → artifacts/digits/<version>."""

import logging
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.manifest import TensorSpec, Training
from training.core import provenance
from training.core.export import DEFAULT_SIGNATURE, Card, Function, export_version
from training.core.fitting import build_adamw, fit_best, make_repeatable
from training.core.options import RunOptions
from training.core.split import Rows, split_evenly
from training.datasets import mnist
from training.metrics import classification
from training.models.digits.distortion import Distortion, distort
from training.plots import classification as plots

log = logging.getLogger(__name__)

LABELS = tuple("0123456789")
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32)


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
    recipe = QUICK if options.quick else Recipe()
    recipe = replace(recipe, epochs=options.epochs or recipe.epochs)
    data = mnist.load(options.data_dir)
    test = Rows(data.test_images, data.test_labels)
    whole = Rows(data.train_images, data.train_labels)
    training, validation = split_evenly(whole, recipe.validation_rows, options.seed)
    training = training.first(recipe.train_rows)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model = build_model(recipe.dropout)
    history = fit(model, training, validation, recipe, options.seed)
    temperature = calibrate(model, validation)
    rows = {"train": training, "validation": validation, "test": test}
    ran = run.finish(
        (mnist.describe({name: len(part) for name, part in rows.items()}),),
        recipe.epochs,
        asdict(recipe) | {"temperature": temperature},
    )

    function = build_function(model, temperature, validation.inputs[:64])
    on_test = predict(function, test.inputs)  # the only look at the test images
    on_validation = predict(function, validation.inputs)
    metrics = {
        "test": classification.summarise_classifier(test.labels, on_test, LABELS),
        "validation": classification.summarise_classifier(
            validation.labels, on_validation, LABELS
        ),
        "mflop": round(provenance.count_mflop(model), 2),
        "parameters": model.count_params(),
    }
    folder = export_version(
        describe(ran, metrics),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=draw_reports(test, on_test, history),
    )
    found = classification.accuracy(test.labels, on_test.argmax(axis=1))
    log.info("Wrote %s: test accuracy %.2f %%", folder, 100 * found)


def build_model(dropout: float) -> Any:
    """Build the CNN: pixels (rows, 28, 28) float32, 0 to 255, to logits (rows, 10).

    Five convolutions and two dense layers; 16 MFLOP an image, to be cheap to serve.
    """
    layers = keras.layers
    pixels = keras.Input((28, 28), name="pixels")
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    x = _convolve(x, 24, 5, "valid", "conv1")
    x = layers.MaxPooling2D(name="pool1")(x)
    x = _convolve(x, 48, 3, "same", "conv2")
    x = _convolve(x, 48, 3, "same", "conv3")
    x = layers.MaxPooling2D(name="pool2")(x)
    x = _convolve(x, 96, 3, "same", "conv4")
    x = _convolve(x, 96, 3, "valid", "conv5")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = _normalise(layers.Dense(128, use_bias=False, name="dense1")(x), "dense1")
    x = layers.Dropout(dropout, name="dropout2")(x)
    return keras.Model(pixels, layers.Dense(len(LABELS), name="logits")(x))


def fit(
    model: Any, training: Rows, validation: Rows, recipe: Recipe, seed: int
) -> dict[str, list[float]]:
    """Train on distorted images, validate on untouched ones, keep the best epoch."""
    steps = len(training) // recipe.batch_size
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate, recipe.weight_decay, recipe.epochs, steps
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    untouched = (validation.inputs.astype(np.float32), validation.labels)
    held_out = tf.data.Dataset.from_tensor_slices(untouched).batch(500)
    stream = stream_distorted(training, recipe, seed)
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

    return (
        tf.data.Dataset.from_tensor_slices((training.inputs, training.labels))
        .shuffle(len(training), seed=seed)
        .batch(recipe.batch_size, drop_remainder=True)
        .repeat()
        .enumerate()
        .map(distort_batch, num_parallel_calls=1)
        .prefetch(4)
    )


def calibrate(model: Any, validation: Rows) -> float:
    """Find the temperature at which confidence on the validation split is honest."""
    pixels = validation.inputs.astype(np.float32)
    logits = model.predict(pixels, batch_size=500, verbose=0)
    return round(classification.fit_temperature(validation.labels, logits), 4)


def build_function(
    model: Any, temperature: float, sample: npt.NDArray[np.uint8]
) -> Function:
    """Wrap the model as it is served: images (rows, 28, 28) uint8 → probabilities."""

    def classify(images: Any) -> dict[str, Any]:
        logits = model(tf.cast(images, tf.float32), training=False)
        return {"probabilities": tf.nn.softmax(logits / temperature)}

    images = TensorSpec(name="images", dtype="uint8", shape=(None, 28, 28))
    return Function(classify, inputs=(images,), sample={"images": sample})


def predict(
    function: Function, images: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Give (rows, 10) float32 probabilities for (rows, 28, 28) uint8 images."""
    parts = [
        function.call(images=tf.constant(images[start : start + 500]))
        for start in range(0, len(images), 500)
    ]
    return np.concatenate([part["probabilities"].numpy() for part in parts])


def draw_reports(
    test: Rows,
    probabilities: npt.NDArray[np.float32],
    history: dict[str, list[float]],
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    confusion = classification.confusion_matrix(test.labels, predictions, len(LABELS))
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


def _convolve(x: Any, filters: int, size: int, padding: str, name: str) -> Any:
    layer = keras.layers.Conv2D(
        filters, size, padding=padding, use_bias=False, name=name
    )
    return _normalise(layer(x), name)


def _normalise(x: Any, name: str) -> Any:
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

"""The same digits by simpler means, from logistic regression to the CNN: a lesson.

    python -m training.models.digits.baselines

trains three baselines in about two minutes, each on MNIST's training images as they
are, and prints a table. Training digits puts it, with the CNN, into the model's card.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.figure import Figure

from training.core.fitting import stream_batches
from training.core.prediction import slice_rows
from training.core.split import Rows
from training.datasets import mnist
from training.plots.classification import encode

PIXELS, HIDDEN, CLASSES = 28 * 28, 512, 10
BATCH_SIZE = 128
TIMED_ROWS, TIMED_CALLS = 32, 50

Classify = Callable[[npt.NDArray[np.uint8]], Any]
"""(rows, 28, 28) uint8 to (rows, classes), the largest of which is the answer."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way to read digits, and how good it is on images that it never saw.

    Attributes:
        name: of the way.
        accuracy: share read right, 0 to 1.
        errors_by_digit: share read wrong of the images of 0, of 1 and so on.
        parameters: numbers that training chose.
        microseconds: of computing for one image, in batches of 32.
    """

    name: str
    accuracy: float
    errors_by_digit: tuple[float, ...]
    parameters: int
    microseconds: float


def train_logistic_regression(rows: Rows, epochs: int, seed: int) -> Any:
    """A weight for each pixel and digit: TensorFlow alone, without a layer.

    Returns:
        Logits of pixels, and the variables.
    """
    weights = tf.Variable(tf.zeros((PIXELS, CLASSES)))
    bias = tf.Variable(tf.zeros(CLASSES))

    def logits(pixels: Any) -> Any:
        return pixels @ weights + bias

    descend(logits, (weights, bias), rows, epochs, seed)
    return logits, (weights, bias)


def train_hidden_layer(rows: Rows, epochs: int, seed: int) -> Any:
    """One hidden layer of 512, still by hand: what a `Dense` layer does inside.

    Returns:
        Logits of pixels, and the variables.
    """

    def draw(shape: tuple[int, int], number: int) -> Any:
        spread = (2 / shape[0]) ** 0.5  # He et al. 2015, for ReLU
        return tf.Variable(spread * tf.random.stateless_normal(shape, (seed, number)))

    hidden, hidden_bias = draw((PIXELS, HIDDEN), 1), tf.Variable(tf.zeros(HIDDEN))
    output, output_bias = draw((HIDDEN, CLASSES), 2), tf.Variable(tf.zeros(CLASSES))

    def logits(pixels: Any) -> Any:
        return tf.nn.relu(pixels @ hidden + hidden_bias) @ output + output_bias

    variables = (hidden, hidden_bias, output, output_bias)
    descend(logits, variables, rows, epochs, seed)
    return logits, variables


def descend(
    logits: Callable[[Any], Any],
    variables: Sequence[Any],
    rows: Rows,
    epochs: int,
    seed: int,
    learning_rate: float = 0.2,
) -> None:
    """Gradient descent in batches: the training step that `fit` hides.

    Args:
        logits: of pixels (rows, 784), 0 to 1.
        variables: what to change so that the right digit's logit becomes the largest.
        rows: to learn from.
        epochs: passes over them.
        seed: of their order.
        learning_rate: at the first step; it falls to nothing by the last.
    """
    steps = epochs * (len(rows) // BATCH_SIZE)

    def step(pixels: Any, labels: Any, rate: Any) -> None:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.cast(labels, tf.int32), logits(pixels)
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(rate * gradient)

    compiled = tf.function(step)
    batches = stream_batches((flatten(rows.inputs), rows.labels), BATCH_SIZE, seed)
    rates = tf.linspace(learning_rate, 0.0, steps + 1)
    for (pixels, labels), rate in zip(batches.take(steps), rates, strict=False):
        compiled(pixels, labels, rate)


def train_dense_network(rows: Rows, epochs: int, _: int) -> Any:
    """Two hidden layers of 512 by Keras, which knows descent, dropout and Adam.

    Returns:
        The model, and its variables.
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(CLASSES),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(
        flatten(rows.inputs),
        rows.labels,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
    )
    return model, model.trainable_variables


WAYS: tuple[tuple[str, Callable[[Rows, int, int], Any], int], ...] = (
    ("logistic regression", train_logistic_regression, 15),
    ("one hidden layer, by hand", train_hidden_layer, 8),
    ("dense network, by Keras", train_dense_network, 8),
)
"""Name, what trains it, and for how many epochs; none was chosen by test images."""


def train_baselines(
    train: Rows, test: Rows, seed: int, epochs: int | None = None
) -> list[Baseline]:
    """Train each of `WAYS`, and meet the test images once.

    Args:
        train: to learn from.
        test: of other writers.
        seed: of weights and order.
        epochs: for each; None = its own.
    """
    found = []
    for name, train_one, own in WAYS:
        keras.utils.set_random_seed(seed)
        logits, variables = train_one(train, epochs or own, seed)
        count = sum(int(np.prod(variable.shape)) for variable in variables)
        found.append(measure_baseline(name, _compile(logits), count, test))
    return found


def _compile(logits: Callable[[Any], Any]) -> Classify:
    compiled = tf.function(logits, reduce_retracing=True)

    def classify(images: npt.NDArray[np.uint8]) -> Any:
        return compiled(flatten(images)).numpy()

    return classify


def measure_baseline(
    name: str, classify: Classify, parameters: int, test: Rows
) -> Baseline:
    """What a way to read digits makes of the test images, and how fast."""
    answers = [
        np.argmax(classify(test.inputs[part]), axis=1)
        for part in slice_rows(len(test), 500)
    ]
    wrong = np.concatenate(answers) != test.labels
    by_digit = tuple(
        round(float(wrong[test.labels == digit].mean()), 4) for digit in range(CLASSES)
    )
    accuracy = round(1 - float(wrong.mean()), 4)
    return Baseline(name, accuracy, by_digit, parameters, _time(classify, test.inputs))


def flatten(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(rows, 28, 28), 0 to 255, to (rows, 784), 0 to 1."""
    return (images.reshape(len(images), -1) / 255).astype(np.float32)


def _time(classify: Classify, images: npt.NDArray[np.uint8]) -> float:
    """Microseconds an image: the median of some calls after a first one."""
    some = images[:TIMED_ROWS]
    np.asarray(classify(some))
    took = []
    for _ in range(TIMED_CALLS):
        began = time.perf_counter()
        np.asarray(classify(some))
        took.append(time.perf_counter() - began)
    return round(float(np.median(took)) / len(some) * 1e6, 1)


def draw_baselines(baselines: Sequence[Baseline]) -> bytes:
    """Draw a PNG: how many are read wrong, at what cost, and of which digits."""
    figure = Figure(figsize=(11, 1.6 + 0.5 * len(baselines)), layout="constrained")
    bars, table = figure.subplots(1, 2)
    places = range(len(baselines))
    errors = [100 * (1 - each.accuracy) for each in baselines]
    bars.barh(places, errors, color="tab:red", alpha=0.7)
    for place, (each, error) in enumerate(zip(baselines, errors, strict=True)):
        cost = f"{each.parameters:,} parameters, {each.microseconds:.3g} µs"
        bars.text(error, place, f" {error:.2f} %; {cost}", va="center", size=8)
    bars.set_yticks(places, [each.name for each in baselines])
    bars.set(xlabel="read wrong, %", xlim=(0, 2.2 * max(*errors, 0.1)))
    shares = 100 * np.array([each.errors_by_digit for each in baselines])
    table.imshow(shares, cmap="Reds", aspect="auto", vmax=1.3 * max(shares.max(), 0.1))
    for (place, digit), share in np.ndenumerate(shares):
        table.text(digit, place, f"{share:.1f}", ha="center", va="center", size=8)
    table.set_xticks(range(CLASSES))
    table.set_yticks([])
    table.set(xlabel="digit", title="read wrong of each digit, %")
    bars.invert_yaxis()  # as the table beside it is already
    return encode(figure)


@click.command(name="baselines")
@click.option("--seed", default=1, show_default=True, help="Of weights and order.")
@click.option("--epochs", type=click.IntRange(1), help="For each.  [default: its own]")
def cli(seed: int, epochs: int | None) -> None:
    """Train three simple readers of digits, and print how good each is."""
    data = mnist.load()
    train = Rows(data.train_images, data.train_labels)
    test = Rows(data.test_images, data.test_labels)
    click.echo(f"{'':26} {'right %':>8} {'parameters':>11} {'µs an image':>12}")
    for each in train_baselines(train, test, seed, epochs):
        click.echo(
            f"{each.name:26} {100 * each.accuracy:8.2f} {each.parameters:11,} "
            f"{each.microseconds:12.1f}"
        )


if __name__ == "__main__":
    cli(prog_name="python -m training.models.digits.baselines")

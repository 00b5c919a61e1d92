"""Train the digit classifier: MNIST → two small networks → artifacts/digits/<version>.

MNIST ─▶ scenes ─▶ finder: where is something written, and which pixels are its ink?
└────▶ rows ◀─ what the finder cuts out of other scenes
└─────▶ reader, from version 1's weights ─▶ calibrate ─▶ measure ─▶ export
"""

import logging
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.manifest import Training
from service.contract.signature import TensorSpec
from service.models.digits.finding import FINE
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
from training.metrics.classification import fit_temperature
from training.models.digits.baselines import (
    Baseline,
    draw_baselines,
    measure_baseline,
    train_baselines,
)
from training.models.digits.card import LABELS, describe, draw_reports
from training.models.digits.distortion import Distortion, distort
from training.models.digits.finder import FinderRecipe, fit_finder
from training.models.digits.measures import choose_threshold, measure
from training.models.digits.reading import cut_scenes, draw_rows
from training.models.digits.scene_files import draw_scenes
from training.models.digits.spoiling import spoil
from training.models.digits.strokes import trace
from training.models.digits.writing import NO_DIGIT, Hand

log = logging.getLogger(__name__)

FIND = "find"
FINDS_AT_ONCE = 8  # pictures of 224×224 in a batch
FIRST = Path(__file__).parents[3] / "artifacts" / "digits" / "1"
KEPT_SCENES = 4  # of 0.4 MB, in golden.npz


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes of the reader over its rows, from version 1's weights on.
        settling: and then of the same reader with less dropped and smaller steps.
        train_rows: how many of the training images to use at most.
        validation_rows: cut from the training set, a tenth of them of each digit.
        traced: how many of either are traced, to be written into scenes.
        cut: scenes out of which the finder cuts rows for the reader.
        drawn: rows of each kind that MNIST has not; see `draw_rows`.
        batch_size: images in one step.
        learning_rate: the highest; see `build_adamw`. Of settling, a third of it.
        weight_decay: likewise.
        dropout: share of features dropped before each dense layer; of settling, a
            sixth of it.
        distortion: how far each training image is distorted, anew in each epoch.
        finder: the other network's.
        kept: share of version 1's weights in those that are served; see `mix_with`.
        baseline_epochs: of each baseline; None = its own.
    """

    epochs: int = 20
    settling: int = 6
    train_rows: int = 55_000
    validation_rows: int = 5_000
    traced: int = 20_000
    cut: int = 16_000
    drawn: int = 3_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    distortion: Distortion = field(default_factory=Distortion)
    finder: FinderRecipe = field(default_factory=FinderRecipe)
    kept: float = 0.1
    baseline_epochs: int | None = None


QUICK = Recipe(
    epochs=2,
    settling=1,
    train_rows=6_000,
    validation_rows=1_000,
    traced=500,
    cut=64,
    drawn=50,
    finder=FinderRecipe(400, 64, 1, 25),
    baseline_epochs=1,
)


def train(options: RunOptions) -> None:
    """Handwritten digits, in photos too: two CNNs on MNIST.

    Two hours on two cores, beside other work: 115 minutes.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    data = mnist.load(options.data_dir)
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)
    run = provenance.begin_run(options.seed)
    hand, other = trace_hands(splits, recipe.traced)

    make_repeatable(options.seed)
    finder, finder_history = fit_finder(hand, other, recipe.finder, options.seed)
    rows = add_rows(finder, hand, other, splits, recipe, options.seed)
    make_repeatable(options.seed)
    reader = build_model(recipe.dropout)
    begin_with(reader, FIRST)
    history = fit(reader, rows, recipe, options.seed)
    reader, settled = settle(reader, rows, recipe, options.seed + 1)
    mix_with(reader, FIRST, recipe.kept)
    history = {metric: history[metric] + settled[metric] for metric in history}
    temperature = calibrate(reader, rows.validation)
    ran = run.finish(
        (mnist.describe(splits.count()),),
        recipe.epochs + recipe.settling,
        asdict(recipe) | {"temperature": temperature},
    )
    trained = Trained(reader, finder, temperature, history, finder_history, ran)
    export(trained, rows.validation, splits, other, recipe, options)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training leaves.

    Attributes:
        reader: see `build_model`.
        finder: see `build_finder`.
        temperature: see `calibrate`.
        history: of the reader, metric → value at each epoch; empty if it did not learn.
        finder_history: likewise.
        ran: for the manifest.
    """

    reader: Any
    finder: Any
    temperature: float
    history: dict[str, list[float]]
    finder_history: dict[str, list[float]]
    ran: Training


def export(
    trained: Trained,
    validation: Rows,
    splits: Splits,
    other: Hand,
    recipe: Recipe,
    options: RunOptions,
) -> Path:
    """Measure on the test images, and write the version.

    Args:
        trained: what is served.
        validation: see `add_rows`.
        splits: of MNIST.
        other: whose scenes `golden.npz` carries.
        recipe: what the baselines are trained by.
        options: where to write, and with which seed.

    Returns:
        The version's folder.
    """
    reader, finder = trained.reader, trained.finder
    sample = splits.validation.inputs[:64]
    classifier = build_function(reader, trained.temperature, sample)
    threshold = choose_threshold(validation, classify(classifier, validation))
    on_test = classify(classifier, splits.test)  # the only look at the test images
    metrics = measure(splits.test, on_test, validation, classifier, threshold)
    metrics["mflop"] = {
        DEFAULT_SIGNATURE: round(provenance.count_mflop(reader), 2),
        FIND: round(provenance.count_mflop(finder), 2),
    }
    metrics["parameters"] = reader.count_params() + finder.count_params()
    baselines = compare(classifier, reader.count_params(), splits, recipe, options.seed)
    metrics["baselines"] = [asdict(each) for each in baselines]
    scenes = draw_few_scenes(other, options.seed)
    histories = trained.history, trained.finder_history
    folder = export_version(
        describe(trained.ran, metrics, threshold),
        {DEFAULT_SIGNATURE: classifier, FIND: build_finding(finder, scenes)},
        options.artifacts_dir,
        held_out={
            DEFAULT_SIGNATURE: HeldOut(
                {"images": splits.test.inputs}, splits.test.labels
            )
        },
        reports=draw_reports(splits.test, on_test, *histories)
        | {"baselines.png": draw_baselines(baselines)},
    )
    log.info("Wrote %s: test accuracy %s", folder, metrics["test_read"]["accuracy"])
    return folder


def begin_with(model: Any, folder: Path) -> None:
    """Begin with the weights of version 1, which knew ten classes and no photos.

    Args:
        model: see `build_model`.
        folder: the version's.
    """
    mix_with(model, folder, 1)


def mix_with(model: Any, folder: Path, share: float) -> None:
    """Mix the weights of a version into those that were made of them, or beside them.

    What was trained for photos has lost a little of what it began with; a mean of both
    has most of either (Wortsman et al., "Robust fine-tuning of zero-shot models",
    2022). On the validation split a tenth of version 1 leaves 20 errors on MNIST's
    images, nothing 24 and a fifth 19, of 5,000; on corrupted images 2.7 %, 2.7 % and
    3.4 %.

    Args:
        model: see `build_model`.
        folder: the version's.
        share: of its weights, 0 to 1. Those of "no digit" version 1 has not.
    """
    known = {v.name.removesuffix(":0"): v for v in tf.saved_model.load(folder).weights}
    for weight in model.weights:
        value, first = weight.numpy(), known[weight.path].numpy()
        part = value[..., : first.shape[-1]]
        part += share * (first - part)
        weight.assign(value)


def trace_hand(rows: Rows) -> Hand:
    """Trace images, so that they can be written by any pen."""
    return Hand(rows.inputs, [trace(image) for image in rows.inputs], rows.labels)


def trace_hands(splits: Splits, most: int) -> tuple[Hand, Hand]:
    """Trace training images, `most` of them, and half of the validation images."""
    few = splits.validation.pick(slice(None, None, 2))  # they are sorted by class
    return trace_hand(splits.train.first(most)), trace_hand(few)


def add_rows(
    finder: Any, hand: Hand, other: Hand, splits: Splits, recipe: Recipe, seed: int
) -> Splits:
    """Put what the finder cuts out, and what is drawn, beside MNIST's images.

    None of them is in both splits, and none in the test split.
    """
    training = add_part(finder, hand, splits.train, recipe, seed, 1)
    validation = add_part(finder, other, splits.validation, recipe, seed, 8)
    return Splits(training, validation, splits.test)


def add_part(
    finder: Any, hand: Hand, images: Rows, recipe: Recipe, seed: int, share: int
) -> Rows:
    """Put what the finder cuts out, and what is drawn, beside the images of a split.

    Args:
        finder: see `build_finder`.
        hand: digits of that split.
        images: MNIST's, of that split.
        recipe: how many rows of either.
        seed: of the scenes and of what is drawn.
        share: by which their numbers are divided.
    """
    with tempfile.TemporaryDirectory() as folder:
        scenes = draw_scenes(hand, recipe.cut // share, seed + 1 + share, Path(folder))
        cut = cut_scenes(finder, scenes)
    drawn = draw_rows(hand, recipe.drawn // share, seed + share)
    return Rows(
        np.concatenate([images.inputs, cut.inputs, drawn.inputs]),
        np.concatenate([images.labels, cut.labels, drawn.labels]),
    )


def draw_few_scenes(hand: Hand, seed: int) -> npt.NDArray[np.uint8]:
    """Pictures for `golden.npz`: uint8 (rows, 224, 224, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        return np.array(
            draw_scenes(hand, KEPT_SCENES, seed + 99, Path(folder)).pictures
        )


def build_model(dropout: float) -> Any:
    """Build the reader: pixels (rows, 28, 28) float32, 0 to 255, to logits (rows, 11).

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


def settle(
    reader: Any, rows: Splits, recipe: Recipe, seed: int
) -> tuple[Any, dict[str, list[float]]]:
    """Train a copy of it on, with less dropout: by now it rather learns too little."""
    calm = build_model(recipe.dropout / 6)
    calm.set_weights(reader.get_weights())
    gentler = replace(
        recipe, epochs=recipe.settling, learning_rate=recipe.learning_rate / 3
    )
    return calm, fit(calm, rows, gentler, seed)


def stream_distorted(training: Rows, recipe: Recipe, seed: int) -> Any:
    """Stream batches without end, reshuffled, each image distorted and spoilt anew.

    Every batch is distorted by a seed of its own, made of `seed` and its number, so the
    stream is the same in each run.
    """

    def distort_batch(number: Any, batch: Any) -> Any:
        images, labels = batch
        seeds = tf.stack([tf.constant(seed, tf.int64), number])
        distorted = distort(tf.cast(images, tf.float32), seeds, recipe.distortion)
        return spoil(distorted, seeds), labels

    batches = stream_batches(
        (training.inputs, training.labels), recipe.batch_size, seed
    )
    return batches.enumerate().map(distort_batch, num_parallel_calls=1).prefetch(4)


def calibrate(model: Any, validation: Rows) -> float:
    """Find the temperature at which confidence on the validation split is honest."""
    pixels = validation.inputs.astype(np.float32)
    logits = model.predict(pixels, batch_size=500, verbose=0)
    return round(fit_temperature(validation.labels, logits), 4)


def compare(
    classifier: Function, parameters: int, splits: Splits, recipe: Recipe, seed: int
) -> list[Baseline]:
    """Simpler readers trained on MNIST alone, and the one that is served."""
    compiled = tf.function(classifier.call, reduce_retracing=True)

    def served(images: npt.NDArray[np.uint8]) -> Any:
        answer = compiled(images=tf.constant(images))["probabilities"]
        return answer.numpy()[:, :NO_DIGIT]

    simpler = train_baselines(splits.train, splits.test, seed, recipe.baseline_epochs)
    return [
        *simpler,
        measure_baseline("CNN, as served", served, parameters, splits.test),
    ]


def build_function(
    model: Any, temperature: float, sample: npt.NDArray[np.uint8]
) -> Function:
    """Wrap the model as it is served: images (rows, 28, 28) uint8 → probabilities."""

    def classify(images: Any) -> dict[str, Any]:
        logits = model(tf.cast(images, tf.float32), training=False)
        return {"probabilities": tf.nn.softmax(logits / temperature)}

    images = TensorSpec(name="images", dtype="uint8", shape=(None, 28, 28))
    return Function(classify, inputs=(images,), sample={"images": sample})


def build_finding(finder: Any, sample: npt.NDArray[np.uint8]) -> Function:
    """Wrap the finder as it is served: pictures → the maps of ink and of cores."""

    def find(pictures: Any) -> dict[str, Any]:
        maps = finder(tf.cast(pictures, tf.float32), training=False)
        return {"ink": maps["ink"], "cores": maps["cores"]}

    pictures = TensorSpec(name="pictures", dtype="uint8", shape=(None, FINE, FINE, 3))
    return Function(
        find, inputs=(pictures,), sample={"pictures": sample}, most_rows=FINDS_AT_ONCE
    )


def classify(function: Function, rows: Rows) -> npt.NDArray[np.float32]:
    """Give (rows, 11) float32 probabilities by the function that is served."""
    return predict(function.call, {"images": rows.inputs})["probabilities"]

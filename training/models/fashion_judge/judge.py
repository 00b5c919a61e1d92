"""The judge of clothing: its network, how it is kept, and how it is asked.

An instrument, not a product: what it says of drawn images measures those who drew
them, so it stays as it is once trained, and no generator ever learns from it.

There are two. The first learnt from nearly all training images, those of the generators
included; it is kept for what the manifests of their first versions say. The second has
images of its own (`division`), and judges everything since.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.special import softmax

from service.contract.manifest import Training
from training.core.layers import convolve, normalise
from training.core.prediction import predict
from training.datasets.fashion_mnist import CATEGORIES

_WEIGHTS_DIR = Path(__file__).parent / "weights"
FIRST_JUDGE_DIR = _WEIGHTS_DIR / "1"
JUDGE_DIR = _WEIGHTS_DIR / "2"
WEIGHTS = "fashion.npz"
FACTS = "fashion.json"
FEATURES = 96


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
        network: traced, images (rows, 28, 28) uint8 to features and logits.
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
        seen = predict(self.network, {"images": images})
        probabilities = softmax(seen["logits"], axis=1).astype(np.float32)
        return Look(seen["features"], probabilities)

    def features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give what `look` sees as features, alone."""
        return self.look(images).features

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give what `look` sees as categories, alone."""
        return self.look(images).probabilities


def build_model(dropout: float) -> Any:
    """Build the CNN: pixels (rows, 28, 28) float32, 0 to 255, to logits (rows, 10).

    Six convolutions, two of them residual (He et al., "Deep residual learning for
    image recognition", 2016), then the features; 16 MFLOP an image.
    """
    layers = keras.layers
    pixels = keras.Input((28, 28), name="pixels")
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    x = convolve(x, 24, 3, "conv1")
    x = layers.MaxPooling2D(name="pool1")(x)
    x = convolve(x, 36, 3, "conv2")
    x = layers.Add(name="add3")([x, convolve(x, 36, 3, "conv3")])
    x = layers.MaxPooling2D(name="pool2")(x)
    x = convolve(x, 72, 3, "conv4")
    x = layers.Add(name="add5")([x, convolve(x, 72, 3, "conv5")])
    x = layers.MaxPooling2D(name="pool3")(x)
    x = layers.Flatten(name="flatten")(convolve(x, 96, 3, "conv6"))
    x = layers.Dropout(dropout, name="dropout")(x)
    x = normalise(layers.Dense(FEATURES, use_bias=False, name="dense")(x), "features")
    return keras.Model(pixels, layers.Dense(len(CATEGORIES), name="logits")(x))


def as_judge(model: Any, sha256: str) -> Judge:
    """Let a model of `build_model` show its features beside its logits."""
    features = model.get_layer("features_relu").output
    both = keras.Model(model.input, {"features": features, "logits": model.output})
    images = tf.TensorSpec((None, 28, 28), tf.uint8, name="images")
    see = tf.function(lambda images: both(tf.cast(images, tf.float32), training=False))
    return Judge(see.get_concrete_function(images=images), sha256)


def write_judge(
    model: Any, ran: Training, metrics: Mapping[str, Any], folder: Path
) -> None:
    """Write the weights, and beside them the facts, with the weights' SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
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

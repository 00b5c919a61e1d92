"""Two small generators whose pictures can be read like a bar code.

Row 3 of a picture tells the weights of the categories, row 5 the latent vector; a line
from top to bottom makes it as high as a garment of Fashion-MNIST. So a test can say
what every picture was drawn from, and the encoder is the decoder's inverse.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from service.contract.manifest import Training
from service.contract.signature import TensorSpec
from training.core.export import Card, Function, export_version
from training.datasets.fashion_mnist import CATEGORIES
from training.models.clothing.decoder import build_decoder, draw_latents, one_hot
from training.models.clothing.integer_decoder import build_function

DIMS = 6
TEMPERATURE = 0.75
LINE = 20  # its column
WEIGHTS_ROW, LATENT_ROW = 3, 5
STEPS, ZERO = 32, 127  # of shade: to a unit, and where 0 is; −4 is clipped

LATENT = TensorSpec(name="latent", dtype="float32", shape=(None, DIMS))
CATEGORY = TensorSpec(name="category", dtype="float32", shape=(None, 10))
IMAGE = TensorSpec(name="image", dtype="uint8", shape=(None, 28, 28))


def write_generators(artifacts: Path) -> None:
    """Write version 1 of `clothing_vae` and of `clothing_gan`, whose line is darker."""
    vae = {"decode": _decoder(254), "encode": _encoder()}
    export_version(_card("clothing_vae"), vae, artifacts)
    export_version(_card("clothing_gan"), {"decode": _decoder(128)}, artifacts)


def write_networks(artifacts: Path) -> None:
    """Write the same, but their decoders are networks of the real kind, untrained.

    Only with these do the sums of a picture depend on their order, unless the whole
    numbers of `training.models.clothing.integer_decoder` keep their promise.
    """
    rng = np.random.default_rng(0)
    sample = {
        "latent": draw_latents(rng, 64, DIMS),
        "category": one_hot(np.arange(64) % 10),
    }
    for seed, name in enumerate(("clothing_vae", "clothing_gan")):
        keras.utils.set_random_seed(seed)
        network = build_decoder(DIMS, 64, (32, 16, 8))
        for variable in network.weights:  # untrained, it would draw plain grey
            noise = np.abs(rng.standard_normal(variable.shape))
            if "norm" in variable.path:
                variable.assign(0.5 + noise)
        functions = {"decode": build_function(network, sample)}
        if name == "clothing_vae":
            functions["encode"] = _encoder()
        export_version(_card(name), functions, artifacts)


def read_latents(images: np.ndarray) -> np.ndarray:
    """What pictures uint8 (rows, 28, 28) were drawn from: float (rows, DIMS)."""
    latents: np.ndarray = (images[:, LATENT_ROW, :DIMS].astype(float) - ZERO) / STEPS
    return latents


def read_weights(images: np.ndarray) -> np.ndarray:
    """The weights of the categories in pictures: float (rows, 10)."""
    weights: np.ndarray = images[:, WEIGHTS_ROW, :10] / 255
    return weights


def _decoder(shade: int) -> Function:
    line = np.zeros((28, 28), np.float32)
    line[:, LINE] = shade

    def decode(latent: Any, category: Any) -> dict[str, Any]:
        latent = tf.round(tf.clip_by_value(latent, -4.0, 4.0) * 32) / 32
        written = {WEIGHTS_ROW: category * 255, LATENT_ROW: latent * STEPS + ZERO}
        image = tf.tile(tf.constant(line)[None], [tf.shape(latent)[0], 1, 1])
        for row, values in written.items():
            beside = tf.constant([[0, 0], [row, 27 - row], [0, 28 - values.shape[1]]])
            image += tf.pad(values[:, None], beside)
        return {"image": tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)}

    rng = np.random.default_rng(0)
    sample = {
        "latent": rng.standard_normal((3, DIMS)).astype(np.float32),
        "category": np.eye(10, dtype=np.float32)[:3],
    }
    return Function(decode, (LATENT, CATEGORY), sample)


def _encoder() -> Function:
    def encode(image: Any) -> dict[str, Any]:
        shades = tf.cast(image, tf.float32)
        latent = (shades[:, LATENT_ROW, :DIMS] - ZERO) / STEPS
        weights = shades[:, WEIGHTS_ROW, :10] / 255
        return {
            "latent": latent,
            "log_variance": tf.zeros_like(latent),
            "category": tf.nn.softmax(5.0 * weights),
        }

    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    return Function(encode, (IMAGE,), {"image": pixels})


def _card(name: str) -> Card:
    training = Training(
        data=(),
        seed=0,
        epochs=0,
        seconds=0,
        hardware="none",
        versions={},
        git_commit="0",
        hyperparameters={},
    )
    return Card(
        name=name,
        task="generation",
        description="Draws bar codes.",
        intended_use="Tests.",
        limits="Draws nothing else.",
        labels=CATEGORIES,
        batch_sizes=(1, 2, 4, 8),
        training=training,
        metrics={},
        constants={"temperature": TEMPERATURE},
    )

"""Small models of pictures and sounds, whose answers can be told by heart, too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from service.contract.task import (
    AudioClassification,
    ImageGeneration,
    ImageSegmentation,
    Task,
)
from tests.saved_models import Spec, save
from tests.tasks.declared import declare

RATE, SAMPLES = 8000, 800
SHADES, SOUNDS, SHAPES = (
    ("dark", "middle", "light"),
    ("silence", "low", "high"),
    ("dot", "line", "cross"),
)


def write(
    artifacts: Path,
    name: str,
    task: Task,
    labels: tuple[str, ...],
    function: Callable[..., Any],
    *specs: Any,
) -> None:
    """Write a function as version 1 of a model."""
    save(artifacts / name / "1", function, *specs)
    declare(artifacts, name, task.model_dump(mode="json"), labels)


def write_shades(artifacts: Path) -> None:
    """`shades`, 8×12 pixels: dark below 85, light from 170."""

    def call(image: Any) -> Any:
        grey = tf.cast(image, tf.float32)[..., tf.newaxis]
        return {"scores": -tf.abs(grey - tf.constant([0.0, 127.0, 255.0]))}

    task = ImageSegmentation(size=(8, 12), colour="grey")
    write(
        artifacts, "shades", task, SHADES, call, Spec([None, 8, 12], "uint8", "image")
    )


def write_ink(artifacts: Path) -> None:
    """`ink`, 4×4 pixels in one channel: how dark each is, 0 to 1."""

    def call(image: Any) -> Any:
        return {"probability": tf.reduce_mean(1 - image, axis=-1, keepdims=True)}

    task = ImageSegmentation(size=(4, 4), value_range=(0, 1), threshold=0.5)
    spec = Spec([None, 4, 4, 3], "float32", "image")
    write(artifacts, "ink", task, ("paper", "ink"), call, spec)


def write_dots(artifacts: Path) -> None:
    """`dots`, in tiles of 8×8 pixels: light ones, each around one that is white.

    What is light is seen as the mean of 3×3 pixels, as far as a tile goes.
    """

    def call(image: Any) -> Any:
        light = tf.cast(image, tf.float32)[..., tf.newaxis] / 255
        mean = tf.nn.avg_pool2d(light, 3, 1, "SAME")[..., 0]
        return {"light": mean, "white": tf.cast(image == 255, tf.float32)}

    for name, instances in (("dots", "cores"), ("spots", "parts")):
        task = ImageSegmentation(
            size=(8, 8),
            colour="grey",
            resize="tile",
            overlap=4,
            threshold=0.5,
            instances=instances,
        )
        spec = Spec([None, 8, 8], "uint8", "image")
        write(artifacts, name, task, ("dark", "dot"), call, spec)


def write_sounds(artifacts: Path) -> None:
    """`sounds`, a tenth of a second: silent, or below or above 1 kHz."""

    def call(audio: Any) -> Any:
        loud = tf.reduce_mean(tf.abs(audio), axis=1)
        signs = tf.sign(audio)
        turns = tf.reduce_mean(tf.abs(signs[:, 1:] - signs[:, :-1]), axis=1) / 2
        pitch = turns * RATE / 2
        silent = 2 - 100 * loud
        return {"scores": tf.stack([silent, 1 - pitch / 1000, pitch / 1000 - 1], 1)}

    task = AudioClassification(
        rate=RATE, samples=SAMPLES, function_to_apply="softmax", top_k=3
    )
    spec = Spec([None, SAMPLES], "float32", "audio")
    write(artifacts, "sounds", task, SOUNDS, call, spec)


def write_peaks(artifacts: Path) -> None:
    """`peaks`, of int16: whether the loudest sample is at least half of what can be."""

    def call(audio: Any) -> Any:
        peak = tf.reduce_max(tf.cast(audio, tf.float32), axis=[1, 2])
        return {"probability": peak / 32767}

    task = AudioClassification(
        rate=RATE, samples=SAMPLES, max_seconds=2, warn_below=0.75
    )
    spec = Spec([None, SAMPLES, 1], "int16", "audio")
    write(artifacts, "peaks", task, ("quiet", "loud"), call, spec)


def write_shapes(artifacts: Path) -> None:
    """`shapes`, 2×4 pixels: above the weights of the labels, below the latents."""

    def call(latent: Any, weights: Any) -> Any:
        above = tf.pad(weights, [[0, 0], [0, 1]]) * 255
        below = tf.clip_by_value(128 + 32 * latent, 0, 255)
        return {"image": tf.cast(tf.stack([above, below], 1), tf.uint8)}

    specs = Spec([None, 4], "float32", "latent"), Spec([None, 3], "float32", "weights")
    write(artifacts, "shapes", ImageGeneration(), SHAPES, call, *specs)


def write_colours(artifacts: Path) -> None:
    """`colours`, one pixel in colour, from −1 to 1, without labels."""

    def call(latent: Any) -> Any:
        return {"image": tf.tanh(latent)[:, tf.newaxis, tf.newaxis, :]}

    task = ImageGeneration(value_range=(-1, 1), temperature=0.5)
    write(artifacts, "colours", task, (), call, Spec([None, 3], "float32", "latent"))


def write_wall(artifacts: Path) -> None:
    """`wall`, 520×520 pixels, all black."""

    def call(latent: Any) -> Any:
        black = tf.zeros([1, 520, 520]) * latent[:, :, tf.newaxis]
        return {"image": tf.cast(black, tf.uint8)}

    latent = Spec([None, 1], "float32", "latent")
    write(artifacts, "wall", ImageGeneration(), (), call, latent)

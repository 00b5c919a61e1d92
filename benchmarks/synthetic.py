"""Models that are made to measure the service by: a large one, and a steady one."""

from pathlib import Path

import tensorflow as tf


def save(module: tf.Module, spec: tf.TensorSpec, folder: Path) -> None:
    """Write a module whose `call` takes such a tensor."""
    module.call = tf.function(module.call, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), {"serving_default": module.call})


def write_large(folder: Path, weights: int) -> None:
    """Write a SavedModel with so many weights of float32, which gives the one asked."""
    module = tf.Module()
    module.weights = tf.Variable(tf.ones([weights]))
    module.call = lambda index: {"y": tf.gather(module.weights, index)}
    save(module, tf.TensorSpec([None], "int32", "index"), folder)


def write_steady(folder: Path) -> None:
    """Write a SavedModel whose batch takes some 20 ms however many its rows.

    So it is on a large device.
    """
    module = tf.Module()

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = tf.zeros((256, 256)) + tf.reduce_mean(x) * 1e-9
        _, worked = tf.while_loop(
            lambda step, _: step < 25,
            lambda step, each: (step + 1, tf.tanh(each @ each)),
            (0, seed),
        )
        return {"y": x + worked[0, 0]}

    module.call = call
    save(module, tf.TensorSpec([None], "float32", "x"), folder)

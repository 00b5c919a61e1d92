"""A model of any size, which is all weights: what loading a large one costs others."""

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

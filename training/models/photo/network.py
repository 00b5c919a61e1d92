"""ResNet50 twice: as Keras builds it, and folded into what inference needs.

Keras's own layers are the measure. What is served has each batch normalisation folded
into the convolution before it, which gives the same numbers for less work.

    images ─ BGR, minus means ─ 7×7 conv ─ pool ─ 16 blocks of 3 convs ─ mean ─ softmax
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.core.export import ExportRefused
from training.models.photo.tfjs import Weights

SIDE = 224
BGR_MEANS = (103.939, 116.779, 123.68)  # of ImageNet, as He et al. trained with them
BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # stage → residual blocks; He et al., table 1
KERAS_EPSILON = 1e-3  # of the time of Keras's own file; docs/models/photo.md says more


@dataclass(frozen=True, slots=True)
class Affine:
    """A convolution or the dense layer, as variables: kernel, and bias by channel."""

    kernel: Any
    bias: Any


def build_keras_model(weights: Weights) -> Any:
    """Fill Keras's own ResNet50 v1, every tensor checked by name and shape.

    Returns:
        A model of (rows, 224, 224, 3) float32, BGR minus means, to probabilities.

    Raises:
        ExportRefused: A tensor is missing, left over, or of another shape.
    """
    model = keras.applications.ResNet50(weights=None)
    wanted = _variables(model)
    _check(
        {name: tuple(variable.shape) for name, variable in wanted.items()},
        {name: tensor.shape for name, tensor in weights.tensors.items()},
    )
    for name, variable in wanted.items():
        variable.assign(weights.tensors[name])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = weights.epsilon
    return model


def read_keras_file(path: Path) -> Weights:
    """Read the HDF5 file that `keras.applications.ResNet50` loads."""
    model = keras.applications.ResNet50(weights=None)
    model.load_weights(path)
    tensors = {name: variable.numpy() for name, variable in _variables(model).items()}
    return Weights(tensors, KERAS_EPSILON)


def fold(weights: Weights) -> dict[str, Affine]:
    """Fold γ(x − mean)/√(variance + ε) + β into the convolution that gives x.

    Returns:
        By layer: 53 convolutions, and `predictions` as it is.
    """
    layers = {name.split("/")[0] for name in weights.tensors}
    folded = {
        layer: _fold_one(weights, layer, f"{layer.removesuffix('_conv')}_bn")
        for layer in sorted(layers)
        if layer.endswith("_conv")
    }
    head = weights.tensors["predictions/kernel"], weights.tensors["predictions/bias"]
    return folded | {"predictions": _affine("predictions", *head)}


def classify(layers: Mapping[str, Affine], images: Any) -> Any:
    """Compute probabilities.

    Args:
        layers: what `fold` gives.
        images: (rows, 224, 224, 3) uint8, RGB.

    Returns:
        (rows, 1000) float32, each row adding up to 1.
    """
    x = tf.reverse(tf.cast(images, tf.float32), axis=[3]) - tf.constant(BGR_MEANS)
    x = tf.nn.relu(_convolve(layers["conv1_conv"], tf.pad(x, _margin(3)), stride=2))
    x = tf.nn.max_pool2d(tf.pad(x, _margin(1)), 3, 2, "VALID")
    for stage, blocks in BLOCKS.items():
        for block in range(1, blocks + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            x = _add_block(layers, f"conv{stage}_block{block}", x, stride)
    head = layers["predictions"]
    x = tf.reduce_mean(x, axis=[1, 2])
    return tf.nn.softmax(tf.matmul(x, head.kernel) + head.bias)


def _add_block(layers: Mapping[str, Affine], name: str, x: Any, stride: int) -> Any:
    """A residual block, v1: the stride is in its first 1×1 convolution."""
    shortcut = x
    if f"{name}_0_conv" in layers:
        shortcut = _convolve(layers[f"{name}_0_conv"], x, stride)
    x = tf.nn.relu(_convolve(layers[f"{name}_1_conv"], x, stride))
    x = tf.nn.relu(_convolve(layers[f"{name}_2_conv"], x, padding="SAME"))
    return tf.nn.relu(_convolve(layers[f"{name}_3_conv"], x) + shortcut)


def _convolve(layer: Affine, x: Any, stride: int = 1, padding: str = "VALID") -> Any:
    return tf.nn.bias_add(tf.nn.conv2d(x, layer.kernel, stride, padding), layer.bias)


def _margin(width: int) -> list[list[int]]:
    return [[0, 0], [width, width], [width, width], [0, 0]]


def _fold_one(weights: Weights, convolution: str, norm: str) -> Affine:
    def get(layer: str, variable: str) -> Any:
        return weights.tensors[f"{layer}/{variable}"].astype(np.float64)

    spread = np.sqrt(get(norm, "moving_variance") + weights.epsilon)
    scale = get(norm, "gamma") / spread
    bias = (get(convolution, "bias") - get(norm, "moving_mean")) * scale
    kernel = get(convolution, "kernel") * scale  # the last axis is the output channel
    return _affine(convolution, kernel, bias + get(norm, "beta"))


def _affine(name: str, kernel: Any, bias: Any) -> Affine:
    def variable(kind: str, values: Any) -> Any:
        return tf.Variable(
            values.astype(np.float32), trainable=False, name=f"{name}_{kind}"
        )

    return Affine(variable("kernel", kernel), variable("bias", bias))


def _variables(model: Any) -> dict[str, Any]:
    """All variables of a Keras model, moving statistics too: `<layer>/<variable>`."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
    }


def _check(wanted: Mapping[str, Any], received: Mapping[str, Any]) -> None:
    wrong = [
        f"{name}: expected {wanted.get(name, 'nothing')}, "
        f"received {received.get(name, 'nothing')}"
        for name in sorted(wanted.keys() | received.keys())
        if wanted.get(name) != received.get(name)
    ]
    if wrong:
        raise ExportRefused("weights are not ResNet50's: " + "; ".join(wrong[:5]))

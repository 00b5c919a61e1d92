"""Layers that every convolutional network here is made of."""

from typing import Any

import keras


def convolve(
    x: Any,
    filters: int,
    size: int,
    name: str,
    *,
    stride: int = 1,
    padding: str = "same",
) -> Any:
    """Add a convolution of size × size with normalisation and ReLU after it."""
    convolution = keras.layers.Conv2D(
        filters, size, stride, padding, use_bias=False, name=name
    )
    return normalise(convolution(x), name)


def normalise(x: Any, name: str) -> Any:
    """Add batch normalisation and ReLU, named `<name>_norm` and `<name>_relu`.

    The moving averages follow faster than Keras's own 0.99: an epoch has few steps.
    """
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

"""Layers that every convolutional network here is made of."""

from collections.abc import Sequence
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


def join_levels(x: Any, levels: Sequence[Any]) -> Any:
    """Go back up from the coarsest maps of a U-Net to its finest, adding each level.

    The layers of level n, counted from 1, are `narrow<n>`, `larger<n>`, `sum<n>` and
    `up<n>`.

    Args:
        x: the coarsest maps.
        levels: maps on the way down, the finest first, the last as coarse as `x`.
    """
    for number, level in reversed([*enumerate(levels[:-1], 1)]):
        width = level.shape[-1]
        x = convolve(x, width, 1, f"narrow{number}")
        x = keras.layers.UpSampling2D(interpolation="bilinear", name=f"larger{number}")(
            x
        )
        x = keras.layers.Add(name=f"sum{number}")([x, level])
        x = convolve(x, width, 3, f"up{number}")
    return x


def normalise(x: Any, name: str) -> Any:
    """Add batch normalisation and ReLU, named `<name>_norm` and `<name>_relu`.

    The moving averages follow faster than Keras's own 0.99: an epoch has few steps.
    """
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

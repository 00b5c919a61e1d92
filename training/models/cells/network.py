"""The network that finds nuclei: a small U-Net with two maps.

    picture (height, width) ─▶ cells: is this pixel of a nucleus?
                            └▶ cores: is it of the middle of one?

Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
segmentation", 2015; the two halves are joined by sums, as in Chaurasia and Culurciello,
"LinkNet", 2017. Nothing in it looks at the picture as a whole, so what it says of a
pixel depends on the `REACH` pixels around it and on no others: tiles that overlap by
twice as many, each without its margin, are the same as the whole.
"""

from typing import Any

import keras
import tensorflow as tf

from training.core.layers import convolve, join_levels

WIDTHS = (16, 24, 48, 96)  # channels at all pixels, at half of them, and so on
REACH = 64  # pixels: how far what is said of one depends on others, at most
HALVINGS = 2 ** (len(WIDTHS) - 1)  # sides are multiples of it


def build_network(side: int | None) -> Any:
    """Build the network: pictures (rows, side, side), 0 to 255, to both maps, 0 to 1.

    Dim pictures are many: logarithms of light and of dark stand beside the picture, for
    in them another exposure is only another level.

    Args:
        side: of the pictures, a multiple of `HALVINGS`; None = any, and any shape.
    """
    layers = keras.layers
    picture = keras.Input((side, side), name="pictures")
    x = keras.ops.expand_dims(picture, -1)
    views = [x / 255, keras.ops.log1p(x) / 5.6, keras.ops.log1p(255 - x) / 5.6]
    x = layers.Concatenate(name="views")(views)
    levels: list[Any] = []
    for number, width in enumerate(WIDTHS, 1):
        if levels:
            x = layers.MaxPooling2D(name=f"halve{number}")(x)
        x = convolve(x, width, 3, f"down{number}")
        x = convolve(x, width, 3, f"level{number}")
        levels.append(x)
    x = convolve(x, WIDTHS[-1], 3, "middle")
    x = join_levels(x, levels)
    maps = layers.Conv2D(2, 1, activation="sigmoid", name="maps")(x)
    return keras.Model(picture, {"cells": maps[..., 0], "cores": maps[..., 1]})


def overlap_loss(truth: Any, found: Any) -> Any:
    """Cross-entropy of each pixel, and 1 - Jaccard's index of each picture.

    Of each, so that a picture with few nuclei counts as much as one that is full; by
    the index that is measured at the end, intersection over union (Rahman and Wang,
    "Optimizing intersection-over-union in deep neural networks for image segmentation",
    2016).
    """
    entropy = tf.reduce_mean(keras.losses.binary_crossentropy(truth, found))
    shared = tf.reduce_sum(truth * found, axis=(1, 2))
    either = tf.reduce_sum(truth + found - truth * found, axis=(1, 2))
    return entropy + 1 - tf.reduce_mean((shared + 10) / (either + 10))

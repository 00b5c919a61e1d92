"""The weights of millions of n-grams in two bytes a bucket, as the graph reads them.

A bucket has one n-gram's weight and eight bits more of that n-gram's key, its
fingerprint: of n-grams never seen, which most of a new text's are, one in 256 is taken
for a known one, where a table without fingerprints would give every one somebody's
weight. Of n-grams that meet in a bucket the one with the greatest weight stays.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment.linear import Linear

BUCKETS = 1 << 21
_MIDDLE, _STEPS = 128, 127  # a weight is -127 to 127 steps from the middle


def pack_weights(linear: Linear) -> tuple[npt.NDArray[np.int16], float]:
    """Put weights into buckets, rounded by their square roots: small ones finely.

    Returns:
        (BUCKETS,) int16 and the greatest weight, which `look_up` takes.
    """
    strength = np.abs(linear.weights)
    most = float(strength.max(initial=1e-6))
    steps = np.round(np.sign(linear.weights) * np.sqrt(strength / most) * _STEPS)
    order = np.argsort(strength, kind="stable")  # the last one in a bucket stays
    entries = (linear.keys // BUCKETS % 256) * 256 + steps.astype(np.int64) + _MIDDLE
    table = np.full(BUCKETS, _MIDDLE, np.int64)
    table[linear.keys[order] % BUCKETS] = entries[order]
    return table.astype(np.uint16).view(np.int16), most


def look_up(table: Any, most: Any, keys: Any) -> Any:
    """Give the weights (found,) float32 of keys (found,) int64; 0 of unknown ones."""
    entries = tf.cast(tf.gather(table, keys % BUCKETS), tf.int64) & 0xFFFF
    steps = tf.cast(entries % 256 - _MIDDLE, tf.float32) / _STEPS
    known = tf.cast(entries // 256 == keys // BUCKETS % 256, tf.float32)
    return known * tf.sign(steps) * tf.square(steps) * most

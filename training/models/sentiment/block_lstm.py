"""An LSTM in both directions whose steps are one operation, not a loop in the graph.

TensorFlow's BlockLSTM computes all steps of a sequence in C++, and all their gradients
too. A loop of small operations, Keras's own way, takes several times as long on a
processor, of a short text most of it between the operations.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class BlockLSTM(keras.layers.Layer):  # type: ignore[misc]
    """Bidirectional LSTM over rows that end in padding.

    Args:
        units: in each direction.
    """

    def __init__(self, units: int, **options: Any):
        super().__init__(**options)
        self.units = units

    def build(self, steps_shape: Any, lengths_shape: Any) -> None:
        """Make the weights; a forget gate begins open (Jozefowicz et al., 2015).

        Gates stand in the order input, cell, forget, output.
        """
        inputs, units = int(steps_shape[-1]), self.units
        self.kernels, self.biases = [], []
        for direction in ("forward", "backward"):
            self.kernels.append(
                self.add_weight(
                    shape=(inputs + units, 4 * units),
                    initializer="glorot_uniform",
                    name=f"{direction}_kernel",
                )
            )
            self.biases.append(
                self.add_weight(
                    shape=(4 * units,), initializer=_open_gate, name=f"{direction}_bias"
                )
            )

    def call(self, steps: Any, lengths: Any) -> Any:
        """(rows, steps, inputs) float32 to (rows, steps, 2 * units).

        Args:
            steps: what to read.
            lengths: (rows,) int32, steps that are no padding; what comes out behind
                them means nothing.
        """
        before = self._run(steps, 0)
        after = self._run(tf.reverse_sequence(steps, lengths, seq_axis=1), 1)
        after = tf.reverse_sequence(after, lengths, seq_axis=1)
        return tf.concat([before, after], axis=2)

    def compute_output_shape(self, steps_shape: Any, lengths_shape: Any) -> Any:
        """See Keras."""
        return (*steps_shape[:-1], 2 * self.units)

    def _run(self, steps: Any, direction: int) -> Any:
        nothing = tf.zeros([tf.shape(steps)[0], self.units])
        peephole = tf.zeros([self.units])
        found = tf.raw_ops.BlockLSTM(  # not V2, which TensorFlow gives V1's gradient
            seq_len_max=tf.shape(steps, out_type=tf.int64)[1],
            x=tf.transpose(steps, [1, 0, 2]),
            cs_prev=nothing,
            h_prev=nothing,
            w=self.kernels[direction],
            wci=peephole,
            wcf=peephole,
            wco=peephole,
            b=self.biases[direction],
            forget_bias=0.0,  # that is in the weights
            cell_clip=-1.0,
            use_peephole=False,
        )
        return tf.transpose(found.h, [1, 0, 2])


def _open_gate(shape: Any, dtype: Any = None) -> Any:
    """Ones for the forget gate, the third of four, and zeros."""
    units = shape[0] // 4
    return tf.concat([tf.zeros([2 * units]), tf.ones([units]), tf.zeros([units])], 0)


def reorder_gates(weights: Any) -> Any:
    """Keras's order of gates, input, forget, cell, output, to this layer's and back.

    Args:
        weights: (…, 4 * units) array.
    """
    first, second, third, last = np.split(np.asarray(weights), 4, axis=-1)
    return np.concatenate([first, third, second, last], axis=-1)

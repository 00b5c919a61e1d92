"""The network: one LSTM layer over symbols, told the mood at every step.

    symbol ──────────▶ row of a table ─┐
    mood ────────────▶ row of a table ─┼─▶ gates ◀── h ─▶ c, h ─▶ logits of the next
    last few symbols ▶ context ────────┴───────────────────────▶  symbol

The contexts are explained in `training.models.writer.contexts`.

Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of
Gers, Schmidhuber and Cummins, 2000. A one-hot symbol times a matrix is a row of it, so
a step costs one product, (rows, units) by (units, 4 units). The way back through time
is written by hand: it needs one such product a step, and the gradient of the matrix is
a single large product at the end. That is several times as fast, on a CPU, as what
automatic differentiation makes of a loop. Factors are rounded to bfloat16, whose
products modern processors add up at twice the speed.

The stop symbol clears the state: a review knows nothing of the one before it.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.writer.contexts import BUCKETS

_FORGET_BIAS = 1.0  # Jozefowicz, Zaremba and Sutskever, 2015: remember, to begin with


class Network(keras.layers.Layer):  # type: ignore[misc]
    """The LSTM, in floats, as it is trained.

    Args:
        symbols: in the alphabet; number 0 is the stop.
        moods: that there are.
        units: of the LSTM.
        width: of a context.
        seed: of the first weights.
    """

    def __init__(self, symbols: int, moods: int, units: int, width: int, seed: int):
        super().__init__(name="writer")
        self.symbols, self.moods, self.units = symbols, moods, units
        self.width = width
        random = np.random.default_rng(seed)

        def weight(
            name: str, values: npt.NDArray[np.float64], *, trainable: bool = True
        ) -> Any:
            return self.add_weight(
                name=name,
                shape=values.shape,
                initializer=lambda _, dtype=None: tf.constant(values, dtype),
                trainable=trainable,
            )

        narrow = 1 / np.sqrt(units)
        bias = np.zeros(4 * units)
        bias[units : 2 * units] = _FORGET_BIAS
        uniform = random.uniform
        self.symbol = weight("symbol", uniform(-0.2, 0.2, (symbols, 4 * units)))
        self.mood = weight("mood", uniform(-0.1, 0.1, (moods, 4 * units)))
        self.gate_bias = weight("gate_bias", bias)
        self.recurrent = weight(
            "recurrent", uniform(-narrow, narrow, (units, 4 * units))
        )
        self.output_kernel = weight(
            "output", uniform(-narrow, narrow, (units, symbols))
        )
        self.output_bias = weight("output_bias", np.zeros(symbols))
        self.context_kernel = weight(
            "context_kernel", uniform(-narrow, narrow, (width, 4 * units))
        )
        self.context_output = weight(
            "context_output", uniform(-narrow, narrow, (width, symbols))
        )
        # Few of its rows are met in a batch: Keras's optimisers would move them all.
        self.contexts = weight(
            "contexts", np.zeros((sum(BUCKETS), width)), trainable=False
        )
        self.built = True

    def as_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """The weights by their names."""
        return {weight.name: weight.numpy() for weight in self.weights}

    def begin(self, rows: int) -> tuple[Any, Any]:
        """The state before a text: h and c, float32 (rows, units), zeros."""
        return tf.zeros((rows, self.units)), tf.zeros((rows, self.units))

    def read(
        self,
        symbols: Any,
        buckets: Any,
        moods: Any,
        state: tuple[Any, Any],
        dtype: Any = tf.bfloat16,
    ) -> tuple[Any, tuple[Any, Any]]:
        """Read on, and say at every step what may come next.

        Args:
            symbols: int32 (steps, rows).
            buckets: int32 (steps, rows, lengths), of the runs that they end.
            moods: int32 (steps, rows).
            state: what `begin` or the last call gave.
            dtype: of the factors of products.

        Returns:
            Logits float32 (steps, rows, symbols), and the state at the end.
        """
        rows = self.mood[:, None] + self.symbol[None] + self.gate_bias
        table = tf.reshape(rows, (-1, 4 * self.units))
        keep = tf.cast(symbols != 0, tf.float32)[..., None]
        steps, count = symbols.shape
        contexts = tf.reduce_sum(tf.gather(self.contexts.value, buckets), axis=2)
        contexts = tf.reshape(contexts, (-1, self.width))
        given = tf.matmul(
            tf.cast(contexts, dtype), tf.cast(self.context_kernel.value, dtype)
        )
        outputs, h, c = scan(
            moods * self.symbols + symbols,
            keep,
            table,
            tf.convert_to_tensor(self.recurrent),
            tf.reshape(given, (steps, count, 4 * self.units)),
            *state,
            dtype=dtype,
        )
        flat = tf.reshape(outputs, (-1, self.units))
        logits = tf.matmul(flat, tf.convert_to_tensor(self.output_kernel))
        logits += tf.matmul(contexts, tf.convert_to_tensor(self.context_output))
        logits = tf.reshape(logits, (steps, count, self.symbols))
        return logits + self.output_bias, (h, c)


def scan(
    entries: Any,
    keep: Any,
    table: Any,
    recurrent: Any,
    given: Any,
    h: Any,
    c: Any,
    dtype: Any = tf.bfloat16,
) -> tuple[Any, Any, Any]:
    """Run the LSTM along the steps.

    Args:
        entries: int32 (steps, rows), rows of `table`.
        keep: float32 (steps, rows, 1), 0 where the state is cleared before the step.
        table: float32 (entries, 4 units), what the gates get from the input: of the
            input gate, the forget gate, the candidate and the output gate.
        recurrent: float32 (units, 4 units), what they get from h.
        given: `dtype` (steps, rows, 4 units), what they get besides.
        h: float32 (rows, units); no gradient flows into it.
        c: float32 (rows, units), likewise.
        dtype: of the factors of products.

    Returns:
        h at every step, float32 (steps, rows, units), and h and c after the last.
    """
    steps, count, units = entries.shape[0], entries.shape[1], recurrent.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(table: Any, recurrent: Any, given: Any) -> Any:
        factor = tf.cast(recurrent, dtype)
        hs, cs, gates = (
            tf.TensorArray(
                tf.float32, steps, clear_after_read=False, element_shape=(count, width)
            )
            for width in (units, units, 4 * units)
        )

        def step(t: Any, h: Any, c: Any, hs: Any, cs: Any, gates: Any) -> Any:
            h, c = h * keep[t], c * keep[t]
            summed = tf.cast(tf.matmul(tf.cast(h, dtype), factor), tf.float32)
            summed += tf.gather(table, entries[t]) + tf.cast(given[t], tf.float32)
            gate, c, h = _move(summed, c, units)
            hs, cs, gates = hs.write(t, h), cs.write(t, c), gates.write(t, gate)
            return t + 1, h, c, hs, cs, gates

        _, last_h, last_c, hs, cs, gates = tf.while_loop(
            lambda t, *_: t < steps, step, (0, h, c, hs, cs, gates)
        )
        outputs = hs.stack()

        def gradient(wanted: Any, *_: Any) -> Any:
            turned = tf.transpose(factor)
            errors = tf.TensorArray(dtype, steps, element_shape=(count, 4 * units))

            def back(t: Any, dh: Any, dc: Any, errors: Any) -> Any:
                before = tf.cond(t > 0, lambda: cs.read(t - 1), lambda: c)
                error, dc = _move_back(
                    gates.read(t),
                    before * keep[t],
                    cs.read(t),
                    dh + wanted[t],
                    dc,
                    units,
                )
                error = tf.cast(error, dtype)
                dh = tf.cast(tf.matmul(error, turned), tf.float32)
                return t - 1, dh * keep[t], dc * keep[t], errors.write(t, error)

            nothing = tf.zeros((count, units))
            *_, errors = tf.while_loop(
                lambda t, *_: t >= 0, back, (steps - 1, nothing, nothing, errors)
            )
            stacked = errors.stack()
            flat = tf.reshape(stacked, (-1, 4 * units))
            earlier = tf.concat([h[None], outputs[:-1]], 0) * keep
            earlier = tf.reshape(tf.cast(earlier, dtype), (-1, units))
            chosen = tf.one_hot(tf.reshape(entries, [-1]), table.shape[0], dtype=dtype)
            return (
                tf.cast(tf.matmul(chosen, flat, transpose_a=True), tf.float32),
                tf.cast(tf.matmul(earlier, flat, transpose_a=True), tf.float32),
                stacked,
            )

        return (outputs, last_h, last_c), gradient

    found: tuple[Any, Any, Any] = run(table, recurrent, given)
    return found


def _move(summed: Any, c: Any, units: int) -> tuple[Any, Any, Any]:
    """Gates from their sums, then the new c and h."""
    opening = tf.sigmoid(summed[:, : 2 * units])
    candidate = tf.tanh(summed[:, 2 * units : 3 * units])
    output = tf.sigmoid(summed[:, 3 * units :])
    c = opening[:, units:] * c + opening[:, :units] * candidate
    return tf.concat([opening, candidate, output], 1), c, output * tf.tanh(c)


def _move_back(
    gate: Any, before: Any, c: Any, dh: Any, dc: Any, units: int
) -> tuple[Any, Any]:
    """Errors of the gates' sums, and of the c before."""
    entry, forget, candidate, output = tf.split(gate, 4, 1)
    bent = tf.tanh(c)
    dc += dh * output * (1 - bent * bent)
    errors = (
        dc * candidate * entry * (1 - entry),
        dc * before * forget * (1 - forget),
        dc * entry * (1 - candidate * candidate),
        dh * bent * output * (1 - output),
    )
    return tf.concat(errors, 1), dc * forget

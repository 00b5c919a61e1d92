"""The signatures `read` and `step` of the writer in whole numbers, as graphs.

    read: prompt, control ─▶ step, as often as the longest prompt has symbols ─▶ state
    step: symbol, state, control ─▶ state, logits of the symbol that comes next

A state is h, then c. Where the moods are pushed apart, two readers read every text, one
in the mood that is asked for and one in the other, and the state of the second stands
behind that of the first. Whatever is out of its range is brought into it, so that a row
cannot fail the batch that it shares. The weights are constants of each graph, int16: a
loop over variables could not be frozen when it is served.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from servery.saved_model import Arrays, Function
from service.contract.signature import TensorSpec
from training.models.writer import whole_numbers as whole
from training.models.writer.whole_numbers import WholeNetwork

MOST_READ_ROWS = 4  # prompts in a batch: a long one holds up all others in it
_SPAN = whole.GATE_LIMIT * whole.GATE_STEPS
_MOST = whole.CELL_LIMIT * whole.CELL_STEPS


class WriterGraph:
    """Builds the signatures.

    Args:
        network: in whole numbers, of two moods.
        max_prompt: symbols in a prompt, at most.
        push: by how much of their difference the logits are pushed away from what the
            other mood would write; 0 = the logits as they are, and half of the work.
    """

    def __init__(self, network: WholeNetwork, max_prompt: int, push: float = 0.0):
        self.network, self.max_prompt, self.push = network, max_prompt, push
        self._readers = 2 if push else 1

    def build_functions(self, prompts: Arrays, steps: Arrays) -> dict[str, Function]:
        """Wrap the model as it is served; `step` comes first.

        Args:
            prompts: rows of `prompt` and `control`, to compare the written graph by.
            steps: rows of `symbol`, `state` and `control`, likewise.
        """
        symbol = TensorSpec(name="symbol", dtype="int32", shape=(None,))
        control = TensorSpec(name="control", dtype="int32", shape=(None,))
        width = 2 * self.network.units * self._readers
        state = TensorSpec(name="state", dtype="int32", shape=(None, width))
        prompt = TensorSpec(name="prompt", dtype="int32", shape=(None, self.max_prompt))
        return {
            "step": Function(self.step, (symbol, state, control), steps),
            "read": Function(self.read, (prompt, control), prompts, MOST_READ_ROWS),
        }

    def step(self, symbol: Any, state: Any, control: Any) -> dict[str, Any]:
        """One symbol further.

        Args:
            symbol: int32 (rows,), the last that was written.
            state: int32 (rows, 2 or 4 units), what `read` or the last step gave.
            control: int32 (rows,), the mood.

        Returns:
            `state`, and `logits` int32 (rows, symbols) in 1/256.
        """
        parts = _Parts(self.network)
        both = tf.concat(tf.split(tf.cast(state, tf.float32), self._readers, axis=1), 0)
        h, c = tf.split(both, 2, axis=1)
        h = tf.clip_by_value(h, -whole.OUTPUT_STEPS, whole.OUTPUT_STEPS)
        c = tf.clip_by_value(c, 1.0 - _MOST, _MOST - 1.0)
        h, c = parts.move(self._repeat(symbol), h, c, self._moods(control))
        return self._answer(parts, h, c)

    def read(self, prompt: Any, control: Any) -> dict[str, Any]:
        """Begin a text.

        Args:
            prompt: int32 (rows, max_prompt), symbols, then -1 to the end.
            control: int32 (rows,), the mood.

        Returns:
            As `step`, after the prompt; of an empty one, before the first symbol.
        """
        parts, moods = _Parts(self.network), self._moods(control)
        nothing = tf.zeros((tf.shape(moods)[0], self.network.units))
        start = tf.zeros_like(moods)  # the stop symbol: a review begins after one
        h, c = parts.move(start, nothing, nothing, moods)
        given = prompt >= 0
        places = tf.range(1, self.max_prompt + 1)
        longest = tf.reduce_max(tf.where(given, places, 0))
        turned = tf.transpose(self._repeat(prompt))
        kept = tf.transpose(self._repeat(given))[..., None]

        def read_symbol(t: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
            next_h, next_c = parts.move(tf.gather(turned, t), h, c, moods)
            goes_on = tf.gather(kept, t)
            return t + 1, tf.where(goes_on, next_h, h), tf.where(goes_on, next_c, c)

        _, h, c = tf.while_loop(
            lambda t, *_: t < longest,
            read_symbol,
            (0, h, c),
            shape_invariants=(tf.TensorShape([]), nothing.shape, nothing.shape),
        )
        return self._answer(parts, h, c)

    def score(self, symbols: Any, targets: Any, moods: Any) -> Any:
        """The chance of each symbol of texts that somebody else wrote.

        Args:
            symbols: int32 (steps, rows), each before its target; the stop clears.
            targets: int32 (steps, rows).
            moods: int32 (steps, rows).

        Returns:
            Bits of the targets, float32 (steps, rows).
        """
        parts = _Parts(self.network)
        steps = tf.shape(symbols)[0]
        found = tf.TensorArray(tf.float32, steps)
        nothing = tf.zeros((symbols.shape[1] * self._readers, self.network.units))

        def score_symbol(t: Any, h: Any, c: Any, found: Any) -> Any:
            shown = self._repeat(symbols[t])
            goes_on = (shown != 0)[:, None]
            h, c = tf.where(goes_on, h, 0.0), tf.where(goes_on, c, 0.0)
            h, c = parts.move(shown, h, c, self._moods(moods[t]))
            logits = tf.cast(self._answer(parts, h, c)["logits"], tf.float32)
            bits = tf.nn.sparse_softmax_cross_entropy_with_logits(
                targets[t], logits / whole.LOGIT_STEPS
            ) / math.log(2)
            return t + 1, h, c, found.write(t, bits)

        *_, found = tf.while_loop(
            lambda t, *_: t < steps, score_symbol, (0, nothing, nothing, found)
        )
        return found.stack()

    def _repeat(self, rows: Any) -> Any:
        return tf.concat([rows] * self._readers, 0)

    def _moods(self, control: Any) -> Any:
        """The mood of each reader: the one asked for, then the other one."""
        asked = tf.clip_by_value(control, 0, 1)
        return tf.concat([asked, 1 - asked], 0) if self.push else asked

    def _answer(self, parts: "_Parts", h: Any, c: Any) -> dict[str, Any]:
        """The state, and the logits that follow from it."""
        logits = tf.split(parts.tell(h), self._readers, axis=0)
        pushed = logits[0]
        if self.push:
            pushed += tf.round((pushed - logits[1]) * self.push)
        both = tf.split(tf.concat([h, c], axis=1), self._readers, axis=0)
        state = tf.cast(tf.concat(both, axis=1), tf.int32)
        return {"state": state, "logits": tf.cast(pushed, tf.int32)}


class _Parts:
    """The weights as constants of the graph that is being traced."""

    def __init__(self, network: WholeNetwork):
        self._network = network
        entries = network.entries.reshape(-1, 4 * network.units)
        self._entries = tf.constant(entries.astype(np.int16))
        self._recurrent = _keep_small(network.recurrent)
        self._output = _keep_small(network.output)
        self._gates = tf.constant(whole.list_gates())
        self._cells = tf.constant(whole.list_cells())
        self._places = tf.constant(whole.place_gates(network.units))

    def move(self, symbol: Any, h: Any, c: Any, control: Any) -> tuple[Any, Any]:
        """The next h and c, float32 (rows, units) of whole numbers."""
        symbols, moods = self._network.symbols, self._network.moods
        row = tf.clip_by_value(control, 0, moods - 1) * symbols
        row += tf.clip_by_value(symbol, 0, symbols - 1)
        # The inner rounding changes nothing. Without it an optimiser of graphs would
        # multiply the scale into the kernel, where it is no whole number any more.
        sums = tf.round(tf.matmul(h, self._recurrent))
        sums = tf.round(sums * self._network.recurrent_scale)
        sums += tf.cast(tf.gather(self._entries, row), tf.float32)
        sums = tf.clip_by_value(sums, -float(_SPAN), _SPAN - 1.0)
        gates = tf.gather(self._gates, tf.cast(sums, tf.int32) + self._places)
        entry, forget, candidate, output = tf.split(gates, 4, axis=1)
        c = tf.round(forget * c * 2.0**-11) + tf.round(entry * candidate * 2.0**-13)
        c = tf.clip_by_value(c, 1.0 - _MOST, _MOST - 1.0)
        bent = tf.gather(self._cells, tf.cast(c, tf.int32) + _MOST)
        return tf.round(output * bent * 2.0**-14), c

    def tell(self, h: Any) -> Any:
        """Logits of the next symbol, float32 (rows, symbols) of whole numbers."""
        sums = tf.round(tf.matmul(h, self._output))
        logits = tf.round(sums * self._network.output_scale)
        return logits + self._network.output_bias


def _keep_small(kernel: Any) -> Any:
    """A constant of half the bytes in the file; loading makes float32 of it."""
    return tf.cast(tf.constant(kernel.astype(np.int16)), tf.float32)

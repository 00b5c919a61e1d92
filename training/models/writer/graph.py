"""The signatures `read` and `step` of the writer in whole numbers, as graphs.

    read: prompt, control ─▶ step, as often as the longest prompt has symbols ─▶ state
    step: symbol, state, control ─▶ state, logits of the symbol that comes next

A state is the last few symbols, then h, then c. Where the moods are pushed apart, two
readers read every text, one in the mood that is asked for and one in the other, and h
and c of the second stand behind those of the first. Whatever is out of its range is
brought into it, so that a row cannot fail the batch that it shares. The weights are
constants of each graph, int8 and int16: a loop over variables could not be frozen when
it is served.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from servery.saved_model import Arrays, Function
from service.contract.signature import TensorSpec
from training.models.writer import whole_numbers as whole
from training.models.writer.contexts import MEMORY, find_buckets_in_graph
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
        width = MEMORY + 2 * self.network.units * self._readers
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
            state: int32 (rows, MEMORY + 2 or 4 units), what `read` or the last step
                gave.
            control: int32 (rows,), the mood.

        Returns:
            `state`, and `logits` int32 (rows, symbols) in 1/256.
        """
        parts, moods = _Parts(self.network, self._readers), self._moods(control)
        recent = self._bring_in(state[:, :MEMORY])
        both = tf.cast(state[:, MEMORY:], tf.float32)
        both = tf.concat(tf.split(both, self._readers, axis=1), 0)
        h, c = tf.split(both, 2, axis=1)
        h = tf.clip_by_value(h, -whole.OUTPUT_STEPS, whole.OUTPUT_STEPS)
        c = tf.clip_by_value(c, 1.0 - _MOST, _MOST - 1.0)
        known = parts.move(self._bring_in(symbol), (recent, h, c), moods)
        return self._answer(parts, known)

    def read(self, prompt: Any, control: Any) -> dict[str, Any]:
        """Begin a text.

        Args:
            prompt: int32 (rows, max_prompt), symbols, then -1 to the end.
            control: int32 (rows,), the mood.

        Returns:
            As `step`, after the prompt; of an empty one, before the first symbol.
        """
        parts, moods = _Parts(self.network, self._readers), self._moods(control)
        start = tf.zeros_like(control)  # the stop symbol: a review begins after one
        known = parts.move(start, self._begin(start), moods)
        given = prompt >= 0
        places = tf.range(1, self.max_prompt + 1)
        longest = tf.reduce_max(tf.where(given, places, 0))
        by_place = tf.transpose(self._bring_in(prompt))
        given_by_place = tf.transpose(given)

        def read_symbol(t: Any, *known: Any) -> Any:
            moved = parts.move(tf.gather(by_place, t), known[:3], moods)
            goes_on = tf.gather(given_by_place, t)
            one, each = goes_on[:, None], parts.repeat(goes_on)[:, None]
            chosen = (one, each, each, one)
            kept = zip(chosen, moved, known, strict=True)
            return t + 1, *(tf.where(*each) for each in kept)

        _, *known = tf.while_loop(
            lambda t, *_: t < longest,
            read_symbol,
            (0, *known),
            shape_invariants=(tf.TensorShape([]), *(each.shape for each in known)),
        )
        return self._answer(parts, known)

    def score(self, symbols: Any, targets: Any, moods: Any) -> Any:
        """The chance of each symbol of texts that somebody else wrote.

        Args:
            symbols: int32 (steps, rows), each before its target; the stop clears.
            targets: int32 (steps, rows).
            moods: int32 (steps, rows).

        Returns:
            Bits of the targets, float32 (steps, rows).
        """
        parts = _Parts(self.network, self._readers)
        steps = tf.shape(symbols)[0]
        found = tf.TensorArray(tf.float32, steps)
        begin = self._begin(symbols[0])

        def score_symbol(t: Any, recent: Any, h: Any, c: Any, found: Any) -> Any:
            goes_on = parts.repeat(symbols[t] != 0)[:, None]
            h, c = tf.where(goes_on, h, 0.0), tf.where(goes_on, c, 0.0)
            known = parts.move(symbols[t], (recent, h, c), self._moods(moods[t]))
            logits = tf.cast(self._answer(parts, known)["logits"], tf.float32)
            bits = tf.nn.sparse_softmax_cross_entropy_with_logits(
                targets[t], logits / whole.LOGIT_STEPS
            ) / math.log(2)
            return t + 1, *known[:3], found.write(t, bits)

        *_, found = tf.while_loop(
            lambda t, *_: t < steps, score_symbol, (0, *begin, found)
        )
        return found.stack()

    def _begin(self, symbol: Any) -> Any:
        """Before the first of (rows,) symbols."""
        rows = tf.shape(symbol)[0]
        nothing = tf.zeros((rows * self._readers, self.network.units))
        return tf.zeros((rows, MEMORY), tf.int32), nothing, nothing

    def _bring_in(self, symbol: Any) -> Any:
        return tf.clip_by_value(symbol, 0, self.network.symbols - 1)

    def _moods(self, control: Any) -> Any:
        """The mood of each reader: the one asked for, then the other one."""
        asked = tf.clip_by_value(control, 0, 1)
        return tf.concat([asked, 1 - asked], 0) if self.push else asked

    def _answer(self, parts: "_Parts", known: Any) -> dict[str, Any]:
        """The state, and the logits that follow from it."""
        recent, h, c, x = known
        logits = tf.split(parts.tell(h, x), self._readers, axis=0)
        pushed = logits[0]
        if self.push:
            pushed += tf.round((pushed - logits[1]) * self.push)
        both = tf.split(tf.concat([h, c], axis=1), self._readers, axis=0)
        state = tf.cast(tf.concat(both, axis=1), tf.int32)
        state = tf.concat([recent, state], axis=1)
        return {"state": state, "logits": tf.cast(pushed, tf.int32)}


class _Parts:
    """The weights as constants of the graph that is being traced."""

    def __init__(self, network: WholeNetwork, readers: int):
        self._network, self._readers = network, readers
        entries = network.entries.reshape(-1, 4 * network.units)
        self._entries = tf.constant(entries.astype(np.int16))
        self._contexts = tf.constant(network.contexts.astype(np.int8))
        self._kernel = _keep_small(network.kernel)
        self._output = _keep_small(network.output)
        self._gates = tf.constant(whole.list_gates())
        self._cells = tf.constant(whole.list_cells())
        self._places = tf.constant(whole.place_gates(network.units))

    def move(self, symbol: Any, known: Any, moods: Any) -> tuple[Any, Any, Any, Any]:
        """A symbol further.

        Args:
            symbol: int32 (rows,), from 0 to 61.
            known: the last symbols, int32 (rows, MEMORY), and h and c, float32
                (readers x rows, units) of whole numbers.
            moods: int32 (readers x rows,), of each reader.

        Returns:
            The same after it, and the context x, float32 (rows, width).
        """
        recent, h, c = known
        buckets, recent = find_buckets_in_graph(symbol, recent)
        x = tf.reduce_sum(tf.cast(tf.gather(self._contexts, buckets), tf.float32), 1)
        row = moods * self._network.symbols + self.repeat(symbol)
        # The inner rounding changes nothing. Without it an optimiser of graphs would
        # multiply the scale into the kernel, where it is no whole number any more.
        sums = tf.round(tf.matmul(tf.concat([h, self.repeat(x)], 1), self._kernel))
        sums = tf.round(sums * self._network.kernel_scale)
        sums += tf.cast(tf.gather(self._entries, row), tf.float32)
        sums = tf.clip_by_value(sums, -float(_SPAN), _SPAN - 1.0)
        gates = tf.gather(self._gates, tf.cast(sums, tf.int32) + self._places)
        entry, forget, candidate, output = tf.split(gates, 4, axis=1)
        c = tf.round(forget * c * 2.0**-11) + tf.round(entry * candidate * 2.0**-13)
        c = tf.clip_by_value(c, 1.0 - _MOST, _MOST - 1.0)
        bent = tf.gather(self._cells, tf.cast(c, tf.int32) + _MOST)
        return recent, tf.round(output * bent * 2.0**-14), c, x

    def tell(self, h: Any, x: Any) -> Any:
        """Logits of the next symbol, float32 (rows, symbols) of whole numbers."""
        sums = tf.round(tf.matmul(tf.concat([h, self.repeat(x)], 1), self._output))
        logits = tf.round(sums * self._network.output_scale)
        return logits + self._network.output_bias

    def repeat(self, rows: Any) -> Any:
        """The same rows for each reader."""
        return tf.concat([rows] * self._readers, 0)


def _keep_small(kernel: Any) -> Any:
    """A constant of half the bytes in the file; loading makes float32 of it."""
    return tf.cast(tf.constant(kernel.astype(np.int16)), tf.float32)

"""The writer in whole numbers: the same seed gives the same text, in every company.

Sums of floats depend on their order, and the order on the batch, the processor and the
library; a text goes another way for good where one symbol is another. So the trained
network is rewritten with whole numbers, small enough for every sum and product to be
exact in float32 (docs/adr/0005-decoders-in-whole-numbers.md):

    h, x ─▶ product: |Σ| < 2²⁴ ─▶ × scale, round ─▶ + row of a table ─▶ tables of
        sigmoid and tanh: i, f, g, o ─▶ c = f c + i g, rounded ─▶ h = o tanh(c), rounded

x is the context, the sum of a few rows of a table. Weights, h and x stay within ±256,
which bfloat16 and TF32 hold exactly too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.models.writer.contexts import LENGTHS, find_buckets

Floats = npt.NDArray[np.floating]
Whole = npt.NDArray[np.float32]

OUTPUT_STEPS = 256  # of h, to 1; x has as many
LARGEST_ROW = OUTPUT_STEPS // len(LENGTHS)  # of which x is the sum
GATE_STEPS = 256  # of the gates' sums, to 1
GATE_LIMIT = 8  # sigmoid(8) is 0.9997
OPENING_STEPS = 2048  # of the gates, to 1
CELL_STEPS = 512  # of c, to 1
CELL_LIMIT = 16
LOGIT_STEPS = 256  # to a unit of a natural logarithm
LARGEST_WEIGHT = 256
LARGEST_SUM = 2**24 - 1  # float32 holds every whole number up to here


class NotExact(ValueError):
    """A sum could leave the whole numbers that float32 holds."""


@dataclass(frozen=True, slots=True)
class WholeNetwork:
    """The network's weights as whole numbers, each of them a float32 that is whole.

    Attributes:
        entries: (moods, symbols, 4 units), what the gates get from the input, in
            1/256: of the input gate, the forget gate, the candidate, the output gate.
        contexts: (buckets, width), within ±64.
        kernel: (units + width, 4 units), what the gates get from h and x, within ±256.
        kernel_scale: (4 units,), from its sums to 1/256; no whole numbers.
        output: (units + width, symbols), within ±256.
        output_scale: (symbols,), likewise.
        output_bias: (symbols,), in 1/256.
    """

    entries: Whole
    contexts: Whole
    kernel: Whole
    kernel_scale: Whole
    output: Whole
    output_scale: Whole
    output_bias: Whole

    @property
    def units(self) -> int:
        """Of the LSTM."""
        return len(self.kernel_scale) // 4

    @property
    def symbols(self) -> int:
        """Of the alphabet."""
        return len(self.output_bias)

    @property
    def moods(self) -> int:
        """That it was trained to have."""
        return len(self.entries)


def convert(weights: Mapping[str, Floats]) -> WholeNetwork:
    """Round a trained network.

    Args:
        weights: by the names of `training.models.writer.network.Network`.

    Raises:
        NotExact: A sum could become too large.
    """
    real = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    entries = real["mood"][:, None] + real["symbol"] + real["gate_bias"]
    contexts, worth = _round_contexts(real["contexts"])
    kernel, kernel_scale = _round(
        np.vstack([real["recurrent"], worth[:, None] * real["context_kernel"]]),
        GATE_STEPS,
    )
    output, output_scale = _round(
        np.vstack([real["output"], worth[:, None] * real["context_output"]]),
        LOGIT_STEPS,
    )
    return WholeNetwork(
        np.rint(entries * GATE_STEPS).astype(np.float32),
        contexts,
        kernel,
        kernel_scale,
        output,
        output_scale,
        np.rint(real["output_bias"] * LOGIT_STEPS).astype(np.float32),
    )


def _round_contexts(
    table: npt.NDArray[np.float64],
) -> tuple[Whole, npt.NDArray[np.float64]]:
    """Round a table, and give what 256 is worth in each of its columns."""
    worth = np.maximum(np.abs(table).max(axis=0), 1e-12) / LARGEST_ROW
    return np.rint(table / worth).astype(np.float32), worth * OUTPUT_STEPS


def _round(kernel: npt.NDArray[np.float64], steps: int) -> tuple[Whole, Whole]:
    """Round the columns of a kernel of h and x, each by its own scale."""
    size = np.abs(kernel)
    # 5 % to spare, since each weight may be rounded up
    bound = 1.05 * size.sum(0) * OUTPUT_STEPS / LARGEST_SUM
    worth = np.maximum(np.maximum(size.max(0) / LARGEST_WEIGHT, bound), 1e-12)
    whole = np.rint(kernel / worth)
    largest = np.abs(whole).sum(0).max() * OUTPUT_STEPS
    within = largest <= LARGEST_SUM and np.abs(whole).max() <= LARGEST_WEIGHT
    if not within:  # NaN is not within either
        raise NotExact(f"expected sums up to {LARGEST_SUM}, received {largest:.0f}")
    scale = worth * steps / OUTPUT_STEPS
    return whole.astype(np.float32), scale.astype(np.float32)


def list_gates() -> Whole:
    """Sigmoid, then tanh, of sums from -8 to 8 in 1/256: (2 x 4096,), in 1/2048."""
    span = GATE_LIMIT * GATE_STEPS
    sums = np.arange(-span, span) / GATE_STEPS
    both = np.concatenate([1 / (1 + np.exp(-sums)), np.tanh(sums)])
    gates: Whole = np.rint(both * OPENING_STEPS).astype(np.float32)
    return gates


def list_cells() -> Whole:
    """Tanh of c from -16 to 16 in 1/512: (16384,), in 1/2048."""
    span = CELL_LIMIT * CELL_STEPS
    cells = np.arange(-span, span) / CELL_STEPS
    bent: Whole = np.rint(np.tanh(cells) * OPENING_STEPS).astype(np.float32)
    return bent


def place_gates(units: int) -> npt.NDArray[np.int32]:
    """(4 units,), where the value of a sum of 0 stands in `list_gates`."""
    span = GATE_LIMIT * GATE_STEPS
    return np.repeat([span, span, 3 * span, span], units).astype(np.int32)


def move_exactly(
    network: WholeNetwork, h: Any, c: Any, runs: Any, moods: Any
) -> tuple[Any, Any, Any]:
    """One step in int64, to hold against what float32 computes.

    Args:
        network: the weights.
        h: int64 (rows, units), within ±256.
        c: int64 (rows, units), within ±8191.
        runs: int64 (MEMORY + 1, rows), the last symbols, the newest last.
        moods: int64 (rows,).

    Returns:
        The new h and c, and the logits, int64 (rows, symbols) in 1/256.
    """
    span, most = GATE_LIMIT * GATE_STEPS, CELL_LIMIT * CELL_STEPS
    x = network.contexts.astype(np.int64)[find_buckets(runs)[0]].sum(axis=1)
    known = np.hstack([h, x])
    sums = _scale(known @ network.kernel.astype(np.int64), network.kernel_scale)
    sums += network.entries.astype(np.int64)[moods, runs[-1]]
    places = np.clip(sums, -span, span - 1) + place_gates(network.units)
    gates = list_gates().astype(np.int64)[places]
    entry, forget, candidate, output = np.split(gates, 4, axis=1)
    c = _halve(forget * c, 11) + _halve(entry * candidate, 13)
    c = np.clip(c, 1 - most, most - 1)
    h = _halve(output * list_cells().astype(np.int64)[c + most], 14)
    known = np.hstack([h, x])
    logits = _scale(known @ network.output.astype(np.int64), network.output_scale)
    return h, c, logits + network.output_bias.astype(np.int64)


def _scale(sums: Any, scale: Whole) -> Any:
    """Whole sums times a scale, by the one rounding of IEEE 754, to whole numbers."""
    return np.rint(sums.astype(np.float32) * scale).astype(np.int64)


def _halve(products: Any, times: int) -> Any:
    """Divide by a power of two; a half goes to the even neighbour."""
    return np.rint(products / 2.0**times).astype(np.int64)

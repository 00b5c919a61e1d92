"""Texts drawn from the writer, symbol by symbol, as who serves it draws them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from servery.saved_model import Function
from training.models.writer.alphabet import decode
from training.models.writer.whole_numbers import LOGIT_STEPS

Integers = npt.NDArray[np.integer]
Call = Callable[..., Mapping[str, Any]]

STOP_NUMBER = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What every text of a set shall be like.

    Attributes:
        length: symbols, at most.
        temperature: above 0; what the logits are divided by.
        seed: of the set; each text has its own numbers, by its place in the set.
        stops: whether a text may end before its length.
    """

    length: int = 300
    temperature: float = 0.7
    seed: int = 1
    stops: bool = True


class Pen:
    """Draws texts by the functions of a graph.

    Args:
        functions: `read` and `step`, as `WriterGraph` builds them.
        rows: texts that are drawn together.
    """

    def __init__(self, functions: Mapping[str, Function], rows: int = 250):
        self._read, self._step = (
            tf.function(functions[name].call, autograph=False)
            for name in ("read", "step")
        )
        self._width = functions["read"].inputs[0].shape[1] or 0
        self._rows = rows

    def write(
        self, moods: Integers, asked: Asked, prompts: Sequence[Integers]
    ) -> list[str]:
        """Draw a text for each mood.

        Args:
            moods: (texts,) int32.
            asked: of all of them.
            prompts: what each begins with, numbers of symbols; it is not returned.
        """
        numbers = np.array(
            [
                np.random.default_rng((asked.seed, text)).random(asked.length)
                for text in range(len(moods))
            ]
        )
        found: list[str] = []
        for start in range(0, len(moods), self._rows):
            part = slice(start, start + self._rows)
            found += self._write_some(moods[part], asked, prompts[part], numbers[part])
        return found

    def _write_some(
        self,
        moods: Integers,
        asked: Asked,
        prompts: Sequence[Integers],
        numbers: npt.NDArray[np.float64],
    ) -> list[str]:
        control = tf.constant(moods, tf.int32)
        given = self._read(
            prompt=tf.constant(lay_out(prompts, self._width)), control=control
        )
        written = np.empty((len(moods), asked.length), np.int32)
        for place in range(asked.length):
            chosen = choose(
                given["logits"].numpy(),
                asked.temperature,
                numbers[:, place],
                stops=asked.stops,
            )
            written[:, place] = chosen
            if (written[:, : place + 1] == STOP_NUMBER).any(axis=1).all():
                break
            given = self._step(
                symbol=tf.constant(chosen), state=given["state"], control=control
            )
        return [decode(_until_stop(row[: place + 1])) for row in written]


def lay_out(prompts: Sequence[Integers], width: int) -> Integers:
    """(prompts, width) int32: symbols, then -1."""
    laid = np.full((len(prompts), width), -1, np.int32)
    for row, prompt in zip(laid, prompts, strict=True):
        row[: len(prompt)] = prompt
    return laid


def choose(
    logits: npt.NDArray[np.integer],
    temperature: float,
    numbers: npt.NDArray[np.float64],
    *,
    stops: bool = True,
) -> Integers:
    """Draw a symbol for each row, in float64.

    Args:
        logits: (rows, symbols), in 1/256.
        temperature: above 0.
        numbers: (rows,), each from 0 to below 1.
        stops: whether the stop symbol may be drawn.
    """
    scaled = logits / (LOGIT_STEPS * temperature)
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    if not stops:
        weights[:, STOP_NUMBER] = 0
    sums = weights.cumsum(axis=1)
    places: Integers = (sums <= (numbers * sums[:, -1])[:, None]).sum(axis=1)
    return places.astype(np.int32)


def _until_stop(row: Integers) -> Integers:
    (stops,) = np.nonzero(row == STOP_NUMBER)
    return row[: stops[0]] if len(stops) else row

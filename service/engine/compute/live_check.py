"""One in so many live batches is kept, to be computed by TensorFlow too.

What was compiled answered as TensorFlow does when it was loaded; this finds out whether
it still does, on what people really send.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.engine.compute.runtime import Model

APART_S = 3600.0  # at least, between two checks of a version


class Batch(NamedTuple):
    """What was computed, and what came of it."""

    signature: str
    inputs: Tensors
    outputs: Tensors


class WatchedModel:
    """A model of which a batch is kept now and then.

    Args:
        model: What computes.
        every: Batches, of which one is kept; 0 = none.
        clock: Seconds, that only rise.
    """

    def __init__(
        self, model: Model, every: int, clock: Callable[[], float] = time.monotonic
    ):
        self._model, self._every, self._clock = model, every, clock
        self._left, self._not_before = every, clock()
        self._kept: Batch | None = None
        self._lock = threading.Lock()

    @property
    def contract(self) -> Contract:
        """What it promises."""
        return self._model.contract

    @property
    def in_process(self) -> bool:
        """See `Model`."""
        return self._model.in_process

    @property
    def alive(self) -> bool:
        """See `Model`."""
        return self._model.alive

    @property
    def bfloat16(self) -> Collection[str]:
        """See `Model`."""
        return self._model.bfloat16

    @property
    def divided(self) -> Collection[str]:
        """See `Model`."""
        return self._model.divided

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute; see `Model`."""
        outputs = self._model.run(signature, tensors)
        self._left -= 1  # threads may count one twice: it is a share, not a number
        if self._left <= 0 and self._every:
            self._left = self._every
            self._keep(signature, tensors, outputs)
        return outputs

    def warm(self) -> float:
        """See `Model`."""
        return self._model.warm()

    def take(self) -> Batch | None:
        """A batch that was kept, if one was, and not for another hour."""
        with self._lock:
            kept, self._kept = self._kept, None
            if kept is not None:
                self._not_before = self._clock() + APART_S
            return kept

    def _keep(self, signature: str, tensors: Tensors, outputs: Tensors) -> None:
        with self._lock:
            if self._clock() < self._not_before:
                return
            copies = tuple(each.copy() for each in tensors)  # not the frame it came in
            self._kept = Batch(
                signature, copies, tuple(each.copy() for each in outputs)
            )

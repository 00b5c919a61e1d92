"""Texts that are being written: of one request together, and each by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import Tensors
from service.engine.texts.request import Listener, Reason, TextRequest, Written

EVERY = 2**31  # as many symbols as there are may be drawn


class Writing:
    """The texts of one request, until all have ended.

    Args:
        request: What is to be written.
        deadline: `time.monotonic()` at which it is worth nothing.
        listener: Who is told.
        number: What the listener knows it by.
        request_id: What logs know it by.
        turn: For whom it is.

    Attributes:
        texts: That have not ended.
        is_over: Whether its listener has been told the last of it, or is gone.
        unsaid: What was written and is not told yet.
        said: `time.monotonic()` when something was told last.
        rows: That were computed.
        batch_rows: Rows of the batch that it shared last.
    """

    __slots__ = (
        "batch_rows", "deadline", "is_over", "listener", "number", "request",
        "request_id", "rows", "said", "started", "texts", "took", "turn", "unsaid",
        "writer",
    )  # fmt: skip

    def __init__(
        self,
        request: TextRequest,
        deadline: float,
        listener: Listener,
        number: int = 0,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ):
        self.request, self.deadline = request, deadline
        self.listener, self.number = listener, number
        self.request_id, self.turn = request_id, turn
        self.texts = [Text(self, index) for index in range(request.count)]
        self.writer: Any = None  # once one has begun it
        self.is_over = False
        self.unsaid: list[Written] = []
        self.rows = self.batch_rows = 0
        self.started = self.said = 0.0
        self.took = (0.0, 0.0)

    def cancel(self) -> None:
        """Nobody reads it any more."""
        if self.writer is not None:
            self.writer.drop(self)
        self.is_over = True

    def say(self, now: float) -> None:
        """Tell what was written since it was last told."""
        self.said = now
        unsaid, self.unsaid = self.unsaid, []
        if unsaid and not self.is_over:
            self.listener.wrote(self.number, unsaid)


class Text:
    """One text, and the random numbers that it is drawn by.

    NumPy has frozen the stream of its legacy generator (NEP 19), and that of its seeds.

    Attributes:
        writing: Of which it is.
        index: Its number there.
        random: Gives the next random number, in [0, 1).
        most: Of the likeliest symbols, so many are drawn from.
        step: What waits for a batch, or is in one.
    """

    __slots__ = (
        "_length", "_stops", "_tail", "compute_s", "index", "most", "queue_s",
        "random", "step", "temperature", "writing",
    )  # fmt: skip

    def __init__(self, writing: Writing, index: int):
        request = writing.request
        self.writing, self.index = writing, index
        state = np.random.RandomState((request.seed, index))
        self.random = state.random_sample
        self.temperature = request.temperature
        self.most = request.top_k or EVERY
        self.step: Step | None = None
        self.queue_s = self.compute_s = 0.0
        self._length = 0
        self._stops = request.stops
        longest = max(map(len, request.stops), default=0)
        self._tail: tuple[int, ...] | None = (-1,) * longest or None

    def add(self, symbol: int, logprob: float, stop: int | None) -> Reason | None:
        """Write a symbol, and say why none is to follow it, if so."""
        writing = self.writing
        if symbol == stop:
            return self.end(Reason.STOP, logprob)
        writing.unsaid.append(Written(self.index, symbol, logprob))
        self._length += 1
        if self._tail is not None:
            tail = self._tail = (*self._tail[1:], symbol)
            if any(tail[len(tail) - len(each) :] == each for each in self._stops):
                return self.end(Reason.SEQUENCE)
        if self._length == writing.request.length:
            return self.end(Reason.LENGTH)
        return None

    def end(self, reason: Reason, logprob: float = 0.0) -> Reason:
        """Note that it has ended."""
        writing = self.writing
        writing.unsaid.append(Written(self.index, 0, logprob, reason))
        writing.texts.remove(self)
        self.step = None
        queue_s, compute_s = writing.took
        writing.took = max(queue_s, self.queue_s), max(compute_s, self.compute_s)
        return reason


class Step(QueuedRequest):
    """One row on its way through a batch: a text's next symbol comes of it."""

    __slots__ = ("text",)

    def __init__(self, text: Text, rows: Tensors, recipient: Any):
        writing = text.writing
        super().__init__(
            rows, writing.deadline, recipient, 0, writing.request_id, writing.turn
        )
        self.text = text
        text.step = self


def prompt_row(prompt: Sequence[int], most: int, nothing: int) -> np.ndarray:
    """The beginning of a text as the model reads it: int32 (1, most)."""
    row = np.full((1, most), nothing, np.int32)
    row[0, : len(prompt)] = prompt
    return row

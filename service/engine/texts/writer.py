"""Writes texts with one version: each symbol is a row, and texts share batches.

    write ─▶ read ─▶ logits, state ─ draw ─▶ symbol ─▶ told
                           ▲                   │ not the last
                           └────── step ◀──────┘

There is no loop: what a batch gives is drawn from at once, and the next rows wait for
the next batch beside those of all other texts. A text's state stays here.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, cast

import numpy as np

from service.access.shares import Shares
from service.contract.contract import Contract
from service.contract.signature import Signature
from service.contract.task import TextGeneration
from service.contract.text_signatures import NOTHING, READ, STEP
from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import Array
from service.engine.batching.throughput import Throughput
from service.engine.texts.counting import TextCounts
from service.engine.texts.drawing import draw
from service.engine.texts.request import Reason, TextSummary
from service.engine.texts.text import Step, Text, Writing, prompt_row
from service.errors import (
    DeadlineExceeded,
    QueueFull,
    ServeryError,
    ShuttingDown,
)
from service.settings import Settings

logger = logging.getLogger(__name__)

PACE_S = 0.025  # between two messages of a stream: films show as many pictures


class Rows(Protocol):
    """Where rows of a signature are computed: a `Batcher`."""

    throughput: Throughput

    @property
    def waiting_rows(self) -> int:
        """Rows that no batch has taken yet."""

    def queue(self, requests: Iterable[QueuedRequest]) -> None:
        """Have rows computed; who asked is told of every outcome."""


class TextWriter:
    """The texts that one version is writing.

    Args:
        contract: Its task is to write texts.
        batchers: By signature.
        settings: See `max_texts` and `max_caller_share`.
        counts: Where texts are counted.
    """

    def __init__(
        self,
        contract: Contract,
        batchers: Mapping[str, Rows],
        settings: Settings,
        counts: TextCounts,
    ):
        task = contract.task
        assert isinstance(task, TextGeneration)  # noqa: S101 - for mypy
        self._task, self._version = task, contract.version
        self._read, self._step = batchers[READ], batchers[STEP]
        self._stop = None if task.stop is None else task.symbols.index(task.stop)
        self._inputs = [each.name for each in contract.signatures[STEP].inputs]
        self._read_inputs = [each.name for each in contract.signatures[READ].inputs]
        self._outputs = {
            batcher: _places(contract.signatures[name])
            for name, batcher in ((READ, self._read), (STEP, self._step))
        }
        self._controls = [
            np.array([index], np.int32)
            for index in range(len(task.control.words) if task.control else 0)
        ]
        self._most, self._share = settings.max_texts, settings.max_caller_share
        self._room = Shares(self._most, self._share)
        self._counts = counts
        self._writings: set[Writing] = set()
        self._following: list[Step] = []  # rows that are about to be queued
        self._is_closed = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def write(self, writing: Writing) -> None:
        """Begin; the writing's listener is told of all that comes of it, errors too."""
        count, caller = writing.request.count, writing.turn.caller
        if self._is_closed:
            error: ServeryError = ShuttingDown(
                "This version of the model takes no more requests."
            )
        elif not self._room.has_room(caller, count):
            error = QueueFull(
                f"Too many texts are being written: {self._room.held} are; expected at "
                f"most {self._most}, and of one caller a part of them; received "
                f"{count} more."
            )
        else:
            self._begin(writing)
            return
        writing.is_over = True
        writing.listener.failed(writing.number, error)

    def drop(self, writing: Writing) -> None:
        """Nobody reads it any more: it takes part in no other batch."""
        if writing in self._writings:
            self._counts.ended("cancelled", len(writing.texts))
            self._end(writing)

    async def close(self, timeout_s: float) -> None:
        """Begin nothing new, write what is begun within the limit, fail the rest."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()
        for writing in list(self._writings):
            self._fail(writing, ShuttingDown("The service is shutting down."))

    def _begin(self, writing: Writing) -> None:
        request = writing.request
        self._room.hold(writing.turn.caller, request.count)
        self._writings.add(writing)
        self._is_idle.clear()
        self._counts.began(request.count)
        writing.writer, writing.started = self, time.monotonic()
        given = {"prompt": prompt_row(request.prompt, self._task.max_prompt, NOTHING)}
        if request.control is not None:
            given["control"] = self._controls[request.control]
        rows = tuple(given[name] for name in self._read_inputs)
        self._read.queue([Step(text, rows, self) for text in writing.texts])

    # As the recipient of batches.

    def answer(
        self, requests: Sequence[QueuedRequest], version: int, batch_rows: int
    ) -> None:
        """Draw the next symbol of each text, and have those that go on wait again."""
        steps = [step for step in cast(Sequence[Step], requests) if not _is_over(step)]
        if not steps:
            return
        state, logits = self._outputs[cast(Rows, steps[0].holder)]
        texts = [step.text for step in steps]
        drawn, logprobs = draw(
            np.concatenate([step.outputs[logits] for step in steps]),
            self._task.logit_unit,
            np.array([text.temperature for text in texts]),
            np.array([text.most for text in texts], np.int64),
            np.array([text.random() for text in texts]),
        )
        following = []
        touched: dict[Writing, None] = {}
        for step, symbol, logprob in zip(
            steps, drawn.tolist(), logprobs.tolist(), strict=True
        ):
            text, writing = step.text, step.text.writing
            self._note(step, batch_rows)
            touched[writing] = None
            reason = text.add(symbol, logprob, self._stop)
            if reason is None:
                following.append(self._follow(text, symbol, step.outputs[state]))
            else:
                self._counts.ended(reason.name.lower())
        self._counts.wrote(len(steps))
        self._queue_soon(following)
        self._tell(touched)

    def fail(self, request: QueuedRequest, error: ServeryError) -> None:
        """A row has no answer: the text ends, or all of its request."""
        text = cast(Step, request).text
        writing = text.writing
        if writing not in self._writings:
            return
        if isinstance(error, DeadlineExceeded) or self._is_late(writing, error):
            if not (writing.request.streams and writing.rows):
                late = "The texts were not written within the deadline: expected one "
                message = f"{late}that leaves more time, or a smaller length."
                self._fail(writing, DeadlineExceeded(message), "deadline")
            elif text in writing.texts:
                text.end(Reason.DEADLINE)
                self._counts.ended("deadline")
                self._tell([writing])
        else:
            self._fail(writing, error)

    def _queue_soon(self, steps: list[Step]) -> None:
        """Have rows wait together with those of other batches that have just ended.

        Else texts that once were in two batches would stay so.
        """
        if steps and not self._following:
            asyncio.get_running_loop().call_soon(self._queue)
        self._following += steps

    def _queue(self) -> None:
        steps, self._following = self._following, []
        self._step.queue(steps)

    def _is_late(self, writing: Writing, error: ServeryError) -> bool:
        """Whether a row was refused because it would have come after the deadline."""
        left_s = writing.deadline - time.monotonic()
        wait_s = self._step.throughput.seconds(self._step.waiting_rows)
        return isinstance(error, QueueFull) and writing.rows > 0 and left_s < wait_s

    def _note(self, step: Step, batch_rows: int) -> None:
        text, writing = step.text, step.text.writing
        text.queue_s += step.queue_s
        text.compute_s += step.compute_s
        if not writing.rows:
            self._counts.first(time.monotonic() - writing.started)
        writing.rows += 1
        writing.batch_rows = batch_rows

    def _follow(self, text: Text, symbol: int, state: Array) -> Step:
        given: dict[str, Array] = {"symbol": np.array([symbol], np.int32)}
        given["state"] = state
        control = text.writing.request.control
        if control is not None:
            given["control"] = self._controls[control]
        return Step(text, tuple([given[name] for name in self._inputs]), self)

    def _tell(self, writings: Iterable[Writing]) -> None:
        """Say what of streams is to be said by now, and of what has ended, the last.

        The first symbol is told at once, and then what came in `PACE_S`: to send one
        costs as much as to send ten.
        """
        now = time.monotonic()
        for writing in writings:
            if writing not in self._writings:
                continue
            if not writing.texts:
                self._end(writing)
                writing.say(now)
                writing.is_over = True
                summary = TextSummary(
                    self._version, writing.rows, writing.batch_rows, *writing.took
                )
                writing.listener.finished(writing.number, summary)
            elif writing.request.streams and now - writing.said >= PACE_S:
                writing.say(now)

    def _fail(
        self, writing: Writing, error: ServeryError, outcome: str = "failed"
    ) -> None:
        if writing not in self._writings:
            return
        self._counts.ended(outcome, len(writing.texts))
        self._end(writing)
        if writing.request.streams:
            writing.say(time.monotonic())  # what it has paid for, before the error
        writing.is_over = True
        writing.listener.failed(writing.number, error)

    def _end(self, writing: Writing) -> None:
        """It takes no more room, and what of it waits for a batch waits no longer."""
        self._writings.discard(writing)
        self._room.release(writing.turn.caller, writing.request.count)
        texts, writing.texts = writing.texts, []
        for text in texts:
            if text.step is not None:
                text.step.cancel()
                text.step = None
        if not self._writings:
            self._is_idle.set()


def _is_over(step: Step) -> bool:
    return step.text.writing.is_over or step.text not in step.text.writing.texts


def _places(signature: Signature) -> tuple[int, int]:
    """Where state and logits are among the outputs of a signature."""
    names = [each.name for each in signature.outputs]
    return names.index("state"), names.index("logits")

"""A writer whose batches are computed here, when the test says so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from service.contract.contract import Contract
from service.contract.signature import Signature, TensorSpec
from service.contract.task import TextGeneration
from service.engine.batching.batcher import Batcher
from service.engine.batching.callers import Turn
from service.engine.batching.tensors import Tensors
from service.engine.texts.counting import TextCounts
from service.engine.texts.request import TextRequest
from service.engine.texts.stream import TextStream
from service.engine.texts.text import Writing
from service.engine.texts.writer import TextWriter
from service.metrics import BatchMetrics, Metrics
from service.settings import Settings
from tests.saved_models import NUMBERS, READS, SYMBOLS, next_logits, write_on
from tests.tasks.writers import TASK


def _specs(**shapes: tuple[int, ...]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, dtype="int32", shape=(None, *shape))
        for name, shape in sorted(shapes.items())
    )


OUTPUTS = _specs(logits=(len(SYMBOLS),), state=(NUMBERS,))
SIGNATURES = {
    "read": Signature(inputs=_specs(control=(), prompt=(READS,)), outputs=OUTPUTS),
    "step": Signature(
        inputs=_specs(control=(), state=(NUMBERS,), symbol=()), outputs=OUTPUTS
    ),
}


class Crowd:
    """A writer, and those who have it write."""

    def __init__(self, **settings: Any):
        declared = {**TASK, **settings.pop("task", {})}
        self.settings = Settings(**settings)
        self.metrics = Metrics(CollectorRegistry())
        self.free = asyncio.Event()  # while it is set batches are computed
        self.free.set()
        self.batches: list[int] = []  # rows of each that was computed
        self.failing: Exception | None = None
        contract = Contract(
            name="scribe",
            version=3,
            signatures=SIGNATURES,
            batch_sizes=(1, 2, 4, 8),
            task=TextGeneration.model_validate(declared),
        )
        self.batchers = {
            name: Batcher(
                getattr(self, name),
                (1, 2, 4, 8),
                self.settings.max_queue_rows,
                BatchMetrics(self.metrics, "scribe", lambda: None),
                version=3,
            )
            for name in SIGNATURES
        }
        self.counts = TextCounts(self.metrics, "scribe")
        self.writer = TextWriter(contract, self.batchers, self.settings, self.counts)

    async def read(self, rows: Tensors) -> Tensors:
        control, prompt = (each.astype(np.int64) for each in rows)
        state = np.zeros((len(prompt), NUMBERS), np.int64)
        for symbol in prompt.T:
            after = write_on(state, symbol, control)
            state = np.where(symbol[:, None] < 0, state, after)
        return await self._compute(state)

    async def step(self, rows: Tensors) -> Tensors:
        control, state, symbol = (each.astype(np.int64) for each in rows)
        self.batches.append(len(control))
        return await self._compute(write_on(state, symbol, control))

    async def _compute(self, state: Any) -> Tensors:
        await asyncio.sleep(0)
        await self.free.wait()
        if self.failing is not None:
            raise self.failing
        return np.asarray(next_logits(state), np.int32), state.astype(np.int32)

    def write(
        self, *, seconds: float = 60, caller: str = "", **asked: Any
    ) -> TextStream:
        facts = {"control": 1, "length": 40, "temperature": 0.7, "seed": 0}
        prompt = tuple(map(SYMBOLS.index, asked.pop("prompt", "")))
        request = TextRequest.model_validate({**facts, "prompt": prompt, **asked})
        stream = TextStream()
        deadline = time.monotonic() + seconds
        writing = Writing(request, deadline, stream, 0, "test", Turn(caller))
        stream.on_cancel = writing.cancel
        self.writer.write(writing)
        return stream

    def counted(self, outcome: str) -> float:
        self.counts.flush()
        return float(self.metrics.texts.labels("scribe", outcome)._value.get())


@asynccontextmanager
async def crowd_of(**settings: Any) -> AsyncIterator[Crowd]:
    crowd = Crowd(**settings)
    try:
        yield crowd
    finally:
        crowd.free.set()
        await crowd.writer.close(0)
        for batcher in crowd.batchers.values():
            await batcher.close(1)


async def read_all(stream: TextStream) -> list[tuple[str, str]]:
    """Of each text, what it is and why it has ended."""
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    while stream.summary is None:
        await stream.more()
        for each in stream.take():
            if each.reason is None:
                texts[each.text] = texts.get(each.text, "") + SYMBOLS[each.symbol]
            else:
                reasons[each.text] = each.reason.name.lower()
    return [(texts.get(index, ""), reasons[index]) for index in sorted(reasons)]

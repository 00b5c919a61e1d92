"""The spans of batches, as a real collector receives them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.engine.batching.batcher import Answer, Batcher
from service.engine.batching.tensors import Tensors
from service.errors import ModelFailed
from service.tracing.batches import BatchTracer
from service.tracing.export import Exporting
from tests.tracing.collecting import Collecting, Span

POISON = -1
SIZES = (1, 2, 4, 8, 256)
Ask = Callable[..., asyncio.Future[Answer]]


class HeldModel:
    """Gives back what it is given, when it is let; fails on `POISON`."""

    def __init__(self) -> None:
        self.free = asyncio.Event()

    async def __call__(self, rows: Tensors) -> Tensors:
        await self.free.wait()
        if POISON in rows[0]:
            raise ValueError("poison")
        return rows


class Nobody:
    """An observer that counts nothing."""

    def queued(self, waiting_rows: int) -> None: ...

    def ran(self, rows: int, padding: int, seconds: float) -> None: ...

    def died(self) -> None: ...


@asynccontextmanager
async def tracing() -> AsyncIterator[tuple[Ask, HeldModel]]:
    """Asks for one row for a caller with this span, or without one."""
    exporting, model = Exporting("engine", int), HeldModel()
    tracer = BatchTracer(exporting.tracer, "echo", 7, "serving_default")
    batcher = Batcher(model, SIZES, 1000, Nobody(), version=7, tracer=tracer)

    def ask(span: int = 0, *values: int) -> asyncio.Future[Answer]:
        rows = (np.array(values or [1], np.float32),)
        name = f"request-{span} {parent(span)}" if span else "request"
        return batcher.submit(rows, time.monotonic() + 60, name)

    try:
        yield ask, model
    finally:
        await batcher.close(timeout_s=5)
        exporting.close(30)


def parent(span: int) -> str:
    return f"00-{span:032x}-{span:016x}-01"


def ids(*spans: int) -> set[str]:
    return {f"{span:016x}" for span in spans}


def named(collector: Collecting, name: str) -> list[Span]:
    return collector.spans(name=name)


def test_a_batch_is_linked_to_every_traced_request_in_it(
    collector: Collecting,
) -> None:
    async def test() -> None:
        async with tracing() as (ask, model):
            first = ask()
            await asyncio.sleep(0)  # it is computed alone
            rest = [ask(1), ask(2), ask(), ask(3, 5, 6)]
            model.free.set()
            await asyncio.gather(first, *rest)

    asyncio.run(test())
    (batch,) = named(collector, "batch")
    assert set(batch["links"]) == ids(1, 2, 3)
    assert batch["parent"] == ""
    assert batch["facts"] == {
        "servery.model": "echo",
        "servery.version": 7,
        "servery.signature": "serving_default",
        "servery.batch_rows": 5,
        "servery.padding_rows": 3,
        "servery.batch_requests": 4,
    }
    assert batch["resource"]["servery.process"] == "engine"


def test_a_request_is_told_how_long_it_waited_and_was_computed(
    collector: Collecting,
) -> None:
    async def test() -> None:
        async with tracing() as (ask, model):
            model.free.set()
            await ask(1, 5, 6)

    asyncio.run(test())
    (batch,) = named(collector, "batch")
    (queue,) = named(collector, "queue")
    (ours,) = collector.spans(name="compute", trace=f"{1:032x}")
    (whole,) = collector.spans(name="compute", parent=batch["id"])
    assert {queue["parent"], ours["parent"]} == ids(1)
    assert ours["links"] == [batch["id"]]
    assert ours["facts"]["servery.rows"] == 2
    assert queue["began"] <= queue["ended"] == ours["began"] == batch["began"]
    assert (ours["began"], ours["ended"]) == (whole["began"], whole["ended"])
    assert whole["ended"] <= batch["ended"]


def test_a_batch_of_requests_that_are_not_traced_is_not(collector: Collecting) -> None:
    async def test() -> None:
        async with tracing() as (ask, model):
            model.free.set()
            await ask()
            await ask(1)

    asyncio.run(test())
    (batch,) = named(collector, "batch")
    assert set(batch["links"]) == ids(1)


def test_a_batch_that_fails_says_so_and_those_that_it_is_cut_into_do_too(
    collector: Collecting,
) -> None:
    async def test() -> None:
        async with tracing() as (ask, model):
            first = ask()
            await asyncio.sleep(0)
            rest = [ask(1), ask(2, POISON)]
            model.free.set()
            await asyncio.gather(first, rest[0])
            with pytest.raises(ModelFailed):
                await rest[1]

    asyncio.run(test())
    failed = {
        frozenset(each["links"]) for each in collector.spans(name="batch", status=2)
    }
    assert failed == {frozenset(ids(1, 2)), frozenset(ids(2))}
    (succeeded,) = collector.spans(name="batch", status=0)
    assert set(succeeded["links"]) == ids(1)
    (guilty,) = collector.spans(name="batch", links=[*ids(2)])
    assert guilty["facts"]["error.type"] == "ValueError"


def test_no_request_is_too_many_for_the_links_of_a_batch(
    collector: Collecting,
) -> None:
    async def test() -> None:
        async with tracing() as (ask, model):
            first = ask()
            await asyncio.sleep(0)
            rest = [ask(span) for span in range(1, 257)]
            model.free.set()
            await asyncio.gather(first, *rest)

    asyncio.run(test())
    (batch,) = named(collector, "batch")
    assert set(batch["links"]) == ids(*range(1, 257))

"""The laws of batching, each by name."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.batching.batcher import Answer, Batcher
from service.engine.batching.queue import QueuedRequest, Slice
from service.engine.batching.tensors import Tensors
from service.engine.ended import ProcessDied
from service.errors import (
    DeadlineExceeded,
    ModelFailed,
    ModelNotReady,
    QueueFull,
    ServeryError,
    ShuttingDown,
)
from tests.versions import until

SIZES = (1, 2, 4, 8)
POISON = -1


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.waiting: list[int] = []
        self.dead = False

    def queued(self, waiting_rows: int) -> None:
        self.waiting.append(waiting_rows)

    def ran(self, rows: int, padding: int, seconds: float) -> None:
        self.batches.append((rows, padding))

    def died(self) -> None:
        self.dead = True


class DoublingModel:
    """Doubles every row, when it is let; fails on a batch with `POISON` in it."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.began = asyncio.Event()
        self.sizes: list[int] = []

    async def __call__(self, rows: Tensors) -> Tensors:
        self.sizes.append(len(rows[0]))
        self.began.set()
        await self.free.wait()
        await asyncio.sleep(0)
        if (rows[0] == POISON).any():
            raise ValueError("poison")
        return (rows[0] * 2,)


class _Nobody:
    """Asks, and is never told."""

    def answer(self, requests: Sequence[QueuedRequest], *_: int) -> None:
        raise AssertionError

    def fail(self, request: QueuedRequest, error: ServeryError) -> None:
        raise AssertionError


def rows_of(*values: int) -> Tensors:
    return (np.array(values, np.int64),)


def doubled(answer: Answer) -> list[int]:
    return [int(value) for value in answer.outputs[0]]


def soon() -> float:
    return time.monotonic() + 60


@asynccontextmanager
async def batcher_of(
    model: Callable[[Tensors], Awaitable[Tensors]],
    max_queue_rows: int = 1000,
    concurrent_batches: int = 1,
) -> AsyncIterator[tuple[Batcher, Notes]]:
    notes = Notes()
    batcher = Batcher(
        model,
        SIZES,
        max_queue_rows,
        notes,
        version=7,
        concurrent_batches=concurrent_batches,
    )
    try:
        yield batcher, notes
    finally:
        await batcher.close(timeout_s=5)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_a_lone_request_runs_at_once_and_alone() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model) as (batcher, _):
            answer = await batcher.submit(rows_of(21), soon())
        assert doubled(answer) == [42]
        assert answer.batch_rows == 1
        assert answer.version == 7
        assert model.sizes == [1]

    run(test)


def test_what_arrives_while_a_batch_runs_is_the_next_batch() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, notes):
            first = batcher.submit(rows_of(0), soon())
            await model.began.wait()
            later = [batcher.submit(rows_of(i), soon()) for i in range(1, 9)]
            model.free.set()
            answers = await asyncio.gather(first, *later)
        assert [doubled(answer) for answer in answers] == [[2 * i] for i in range(9)]
        assert notes.batches == [(1, 0), (8, 0)]

    run(test)


def test_rows_are_counted_and_not_requests() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model) as (batcher, notes):
            requests = [batcher.submit(rows_of(*range(5)), soon()) for _ in range(3)]
            await asyncio.gather(*requests)
        assert notes.batches == [(8, 0), (7, 1)]
        assert model.sizes == [8, 8]

    run(test)


def test_a_batch_is_padded_up_to_the_next_allowed_size() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model) as (batcher, notes):
            answer = await batcher.submit(rows_of(1, 2, 3), soon())
        assert doubled(answer) == [2, 4, 6]
        assert notes.batches == [(3, 1)]
        assert model.sizes == [4]

    run(test)


def test_a_request_larger_than_any_batch_is_split_and_put_together() -> None:
    async def test() -> None:
        async with batcher_of(DoublingModel()) as (batcher, notes):
            answer = await batcher.submit(rows_of(*range(20)), soon())
        assert doubled(answer) == [2 * i for i in range(20)]
        assert notes.batches == [(8, 0), (8, 0), (4, 0)]
        assert answer.compute_s > 0

    run(test)


def test_a_request_for_one_row_does_not_wait_for_a_request_for_many() -> None:
    async def test() -> None:
        order = []
        async with batcher_of(DoublingModel()) as (batcher, _):
            many = batcher.submit(rows_of(*range(80)), soon())
            one = batcher.submit(rows_of(1), soon())
            many.add_done_callback(lambda _: order.append("many"))
            one.add_done_callback(lambda _: order.append("one"))
            await asyncio.gather(many, one)
            await asyncio.sleep(0)
        assert order == ["one", "many"]

    run(test)


def test_a_full_queue_refuses_at_once_and_keeps_what_it_has() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model, max_queue_rows=4) as (batcher, _):
            running = batcher.submit(rows_of(0), soon())
            await model.began.wait()
            waiting = batcher.submit(rows_of(1, 2, 3), soon())
            with pytest.raises(QueueFull, match="3 rows wait, at most 4 may"):
                batcher.submit(rows_of(4, 5), soon())
            last = batcher.submit(rows_of(6), soon())
            model.free.set()
            answers = await asyncio.gather(running, waiting, last)
        assert [doubled(answer) for answer in answers] == [[0], [2, 4, 6], [12]]

    run(test)


def test_who_would_only_wait_to_be_late_is_refused_at_once() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            batcher.throughput.learn(8, 8.0)
            hasty = batcher.submit(rows_of(0), time.monotonic() + 2)  # nobody waits yet
            await model.began.wait()
            waiting = batcher.submit(rows_of(1, 2, 3), soon())
            with pytest.raises(QueueFull, match="3 rows wait, which takes") as refusal:
                batcher.submit(rows_of(4), time.monotonic() + 2)
            assert refusal.value.retry_after_s == 3
            patient = batcher.submit(rows_of(5), time.monotonic() + 4)
            model.free.set()
            assert doubled(await hasty) == [0]
            assert doubled(await waiting) == [2, 4, 6]
            assert doubled(await patient) == [10]

    asyncio.run(test())


def test_the_pace_is_learnt_from_every_batch() -> None:
    async def test() -> None:
        async with batcher_of(DoublingModel()) as (batcher, _):
            assert batcher.throughput.seconds(1) == 0
            await batcher.submit(rows_of(1), soon())
            assert batcher.throughput.seconds(1) > 0
            await batcher.submit(rows_of(*range(8)), soon())
            assert batcher.throughput.seconds(1) > 0

    asyncio.run(test())


def test_one_slow_batch_shuts_nobody_out() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model, max_queue_rows=64) as (batcher, _):
            for _ in range(5):
                await batcher.submit(rows_of(*range(8)), soon())
            batcher.throughput.learn(8, 60.0)
            model.free.clear()
            running = batcher.submit(rows_of(*range(8)), soon())
            await until(lambda: len(model.sizes) == 6)
            hasty = [batcher.submit(rows_of(1), time.monotonic() + 1) for _ in range(9)]
            model.free.set()
            await asyncio.gather(running, *hasty)

    asyncio.run(test())


def test_a_deadline_ends_a_wait_while_the_model_is_busy() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, notes):
            running = batcher.submit(rows_of(0), soon())
            await model.began.wait()
            late = batcher.submit(rows_of(1), time.monotonic() + 0.01)
            with pytest.raises(DeadlineExceeded):
                await late
            assert not running.done()
            assert batcher.waiting_rows == 0
            model.free.set()
            await running
        assert notes.batches == [(1, 0)]

    run(test)


def test_a_request_whose_deadline_has_passed_is_never_run() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model) as (batcher, _):
            with pytest.raises(DeadlineExceeded):
                await batcher.submit(rows_of(1), time.monotonic() - 1)
        assert model.sizes == []

    run(test)


def test_what_is_settled_before_it_is_queued_never_waits() -> None:
    async def test() -> None:
        async with batcher_of(DoublingModel()) as (batcher, _):
            over = [QueuedRequest(rows_of(n), soon(), _Nobody()) for n in range(3)]
            late = QueuedRequest(rows_of(3), time.monotonic() - 1, _Nobody())
            for request in (*over, late):
                request.cancel()
            batcher.queue([*over, late])
            assert batcher.waiting_rows == 0
            async with asyncio.timeout(5):  # nothing is left for which to look for ever
                assert doubled(await batcher.submit(rows_of(4), soon())) == [8]

    run(test)


def test_a_cancelled_request_leaves_the_queue_and_its_neighbours_alone() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, notes):
            running = batcher.submit(rows_of(0), soon())
            await model.began.wait()
            requests = [batcher.submit(rows_of(i), soon()) for i in range(1, 5)]
            requests[1].cancel()
            await asyncio.sleep(0)
            assert batcher.waiting_rows == 3
            model.free.set()
            answers = await asyncio.gather(running, *requests, return_exceptions=True)
        assert isinstance(answers[2], asyncio.CancelledError)
        rest = [doubled(each) for each in answers if isinstance(each, Answer)]
        assert rest == [[0], [2], [6], [8]]
        assert notes.batches == [(1, 0), (3, 1)]

    run(test)


def test_cancelling_a_request_that_is_running_does_not_fail_its_batch() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            requests = [batcher.submit(rows_of(i), soon()) for i in range(3)]
            await model.began.wait()
            requests[0].cancel()
            model.free.set()
            assert doubled(await requests[1]) == [2]
            assert doubled(await requests[2]) == [4]

    run(test)


def test_rows_that_wait_are_shared_among_the_idle_lanes() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model, concurrent_batches=2) as (batcher, _):
            requests = [batcher.submit(rows_of(i), soon()) for i in range(8)]
            await until(lambda: len(model.sizes) == 2)
            assert model.sizes == [4, 4]
            later = [batcher.submit(rows_of(i), soon()) for i in range(3)]
            model.free.set()
            answers = await asyncio.gather(*requests, *later)
        assert [doubled(each) for each in answers[:8]] == [[2 * i] for i in range(8)]
        assert model.sizes == [4, 4, 4]  # the first worker that was free took all three

    run(test)


def test_what_is_quick_is_not_shared() -> None:
    async def test() -> None:
        model = DoublingModel()
        notes = Notes()
        batcher = Batcher(
            model,
            SIZES,
            99,
            notes,
            version=1,
            concurrent_batches=2,
            is_quick=lambda size: size < 8,
        )
        for rows in (3, 8):
            futures = [batcher.submit(rows_of(i), soon()) for i in range(rows)]
            await asyncio.gather(*futures)
        await batcher.close(timeout_s=5)
        assert notes.batches == [(3, 1), (4, 0), (4, 0)]

    run(test)


def test_time_in_two_lanes_counts_once() -> None:
    request = QueuedRequest(rows_of(1, 2, 3), soon(), recipient=_Nobody())
    came = request.submitted
    assert not request.computed(Slice(request, 0, 1), rows_of(2), came + 1, 4)
    assert not request.computed(Slice(request, 1, 1), rows_of(4), came + 2, 2)
    assert request.computed(Slice(request, 2, 1), rows_of(6), came + 6, 1)
    assert request.queue_s == pytest.approx(2)
    assert request.compute_s == pytest.approx(5)


def test_lanes_that_finish_out_of_order_keep_the_order_of_the_rows() -> None:
    async def first_is_last(rows: Tensors) -> Tensors:
        await asyncio.sleep(0.02 if rows[0][0] == 0 else 0)
        return (rows[0] * 2,)

    async def test() -> None:
        async with batcher_of(first_is_last, concurrent_batches=2) as (batcher, notes):
            answer = await batcher.submit(rows_of(*range(20)), soon())
        assert doubled(answer) == [2 * i for i in range(20)]
        assert sum(rows for rows, _ in notes.batches) == 20

    run(test)


def test_an_error_in_the_model_reaches_whose_rows_made_it_and_nobody_else() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            before = batcher.submit(rows_of(1), soon())
            await model.began.wait()
            poisoned = batcher.submit(rows_of(POISON), soon())
            neighbour = batcher.submit(rows_of(*range(7)), soon())
            after = batcher.submit(rows_of(2), soon())
            model.free.set()
            assert doubled(await before) == [2]
            with pytest.raises(ModelFailed):
                await poisoned
            assert doubled(await neighbour) == [2 * i for i in range(7)]
            assert doubled(await after) == [4]
            assert batcher.alive

    run(test)


def test_a_model_that_returns_too_few_rows_fails_the_batch() -> None:
    async def forgetful(rows: Tensors) -> Tensors:
        return (rows[0][:-1],)

    async def test() -> None:
        async with batcher_of(forgetful) as (batcher, _):
            with pytest.raises(ModelFailed):
                await batcher.submit(rows_of(1, 2), soon())

    run(test)


@pytest.mark.parametrize("concurrent_batches", [1, 2])
def test_a_dead_batcher_fails_its_waiters_and_says_so(concurrent_batches: int) -> None:
    class Broken(Notes):
        def ran(self, rows: int, padding: int, seconds: float) -> None:
            raise RuntimeError("a bug in the batcher's own work")

    async def test() -> None:
        notes = Broken()
        batcher = Batcher(
            DoublingModel(),
            SIZES,
            1000,
            notes,
            version=1,
            concurrent_batches=concurrent_batches,
        )
        requests = [batcher.submit(rows_of(*range(8)), soon()) for _ in range(3)]
        for request in requests:
            with pytest.raises(ModelFailed, match="died"):
                await request
        assert not batcher.alive
        assert notes.dead
        with pytest.raises(ServeryError):
            batcher.submit(rows_of(1), soon())
        async with asyncio.timeout(1):
            await batcher.close(timeout_s=5)
        assert all(worker.done() for worker in batcher._workers)

    run(test)


def test_an_answer_that_cannot_be_given_is_an_error_and_harms_nobody_else() -> None:
    class Clumsy:
        def __init__(self) -> None:
            self.errors: list[ServeryError] = []

        def answer(self, requests: Sequence[QueuedRequest], *_: int) -> None:
            raise RuntimeError("a bug in who asks")

        def fail(self, request: QueuedRequest, error: ServeryError) -> None:
            self.errors.append(error)

    async def test() -> None:
        async with batcher_of(DoublingModel()) as (batcher, _):
            clumsy = Clumsy()
            batcher.queue([QueuedRequest(rows_of(1), soon(), clumsy)])
            neighbour = batcher.submit(rows_of(2), soon())
            assert doubled(await neighbour) == [4]
            assert doubled(await batcher.submit(rows_of(3), soon())) == [6]
        assert list(map(type, clumsy.errors)) == [ModelFailed]

    run(test)


def test_closing_finishes_what_waits_and_takes_nothing_new() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            requests = [batcher.submit(rows_of(i), soon()) for i in range(20)]
            await model.began.wait()
            closing = asyncio.create_task(batcher.close(timeout_s=60))
            await asyncio.sleep(0)
            with pytest.raises(ShuttingDown):
                batcher.submit(rows_of(1), soon())
            model.free.set()
            answers = await asyncio.gather(*requests)
            await closing
        assert [doubled(answer) for answer in answers] == [[2 * i] for i in range(20)]

    run(test)


def test_closing_fails_what_cannot_be_finished_in_time() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            running = batcher.submit(rows_of(*range(8)), soon())
            await model.began.wait()
            waiting = batcher.submit(rows_of(2), soon())
            await batcher.close(timeout_s=0.01)
            for request in (running, waiting):
                with pytest.raises(ShuttingDown):
                    await request
            async with asyncio.timeout(20):
                await batcher.close(timeout_s=3600)  # again, for which nobody waits

    run(test)


def test_idle_costs_nothing() -> None:
    async def test() -> None:
        async with batcher_of(DoublingModel()) as (batcher, _):
            await batcher.submit(rows_of(1), soon())
            await asyncio.sleep(0.05)
            began = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - began < 0.05

    run(test)


@st.composite
def traffic(draw: st.DrawFn) -> list[tuple[int, bool, bool, int]]:
    """Requests: rows, cancelled?, poisoned?, turns of the loop before the next."""
    return draw(
        st.lists(
            st.tuples(
                st.integers(1, 20),
                st.sampled_from([False, False, False, True]),
                st.sampled_from([False] * 9 + [True]),
                st.integers(0, 3),
            ),
            max_size=40,
        )
    )


@given(traffic(), st.integers(1, 3))
@settings(max_examples=200)
def test_every_caller_gets_exactly_its_own_rows(
    requests: list[tuple[int, bool, bool, int]], concurrent_batches: int
) -> None:
    async def test() -> None:
        values = iter(range(1, 10_000))
        async with batcher_of(
            DoublingModel(), concurrent_batches=concurrent_batches
        ) as (batcher, notes):
            sent = []
            for size, cancelled, poisoned, turns in requests:
                mine = [next(values) for _ in range(size)]
                if poisoned:
                    mine[-1] = POISON
                future = batcher.submit(rows_of(*mine), soon())
                sent.append((mine, future, cancelled))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if cancelled:
                    future.cancel()
            futures = [future for _, future, _ in sent]
            answers = await asyncio.gather(*futures, return_exceptions=True)
            for (mine, _, cancelled), answer in zip(sent, answers, strict=True):
                if isinstance(answer, Answer):
                    assert doubled(answer) == [2 * value for value in mine]
                    assert POISON not in mine
                elif isinstance(answer, asyncio.CancelledError):
                    assert cancelled
                else:
                    assert isinstance(answer, ModelFailed)
            if not any(poisoned for _, _, poisoned, _ in requests):
                failed = [a for a in answers if isinstance(a, ModelFailed)]
                assert not failed
            assert batcher.waiting_rows == 0
            assert batcher.alive
        assert all(rows + padding in SIZES for rows, padding in notes.batches)

    run(test)


@pytest.mark.parametrize(
    ("began", "expected"), [(True, ModelFailed), (False, ModelNotReady)]
)
def test_a_batch_whose_process_died_is_not_tried_in_halves(
    began: bool,  # noqa: FBT001
    expected: type[ServeryError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    async def die(rows: Tensors) -> Tensors:
        nonlocal calls
        calls += 1
        raise ProcessDied("of something", began=began)

    async def test() -> None:
        async with batcher_of(die) as (batcher, _):
            futures = [
                batcher.submit(rows_of(each), soon(), f"id-{each}") for each in range(4)
            ]
            for outcome in await asyncio.gather(*futures, return_exceptions=True):
                assert isinstance(outcome, expected)
            assert batcher.alive

    run(test)
    assert calls == 1
    (failure,) = [each for each in caplog.records if each.message == "a batch failed"]
    facts = {"request_ids": ["id-0", "id-1", "id-2", "id-3"], "rows": 4}
    assert getattr(failure, "facts", None) == facts

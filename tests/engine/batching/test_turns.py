"""Callers take turns, and who can wait does; nobody starves, nobody pushes."""

import asyncio
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.batching.callers import Turn, share_out
from service.engine.batching.queue import BULK_EVERY, QueuedRequest, RowQueue
from service.engine.batching.tensors import Tensors
from service.errors import QueueFull, ServeryError
from tests.engine.batching.test_batcher import (
    DoublingModel,
    _Nobody,
    batcher_of,
    doubled,
    rows_of,
    run,
    soon,
)

GREEDY, MODEST = Turn("greedy"), Turn("modest")
BULK = Turn("nightly", bulk=True)


def request_of(turn: Turn, rows: int = 1, width: int = 1) -> QueuedRequest:
    values: Tensors = (np.zeros((rows, width), np.int64),)
    return QueuedRequest(values, soon(), _Nobody(), turn=turn)


def queue_of(*requests: QueuedRequest) -> RowQueue:
    queue = RowQueue()
    for request in requests:
        queue.add(request)
    return queue


def take(queue: RowQueue, most: int) -> Counter[str]:
    """How many rows of a batch each caller gets."""
    rows: Counter[str] = Counter()
    for part in queue.take(most):
        rows[part.request.turn.caller] += part.count
    return rows


@given(
    wanted=st.lists(st.integers(1, 20), min_size=1, max_size=8),
    more=st.integers(0, 60),
)
def test_rows_are_shared_out_evenly(wanted: list[int], more: int) -> None:
    rows = len(wanted) + more
    shares = share_out(rows, wanted)
    assert sum(shares) == min(rows, sum(wanted))
    assert all(1 <= share <= want for share, want in zip(shares, wanted, strict=True))
    content = [a for a, want in zip(shares, wanted, strict=True) if a == want]
    hungry = [a for a, want in zip(shares, wanted, strict=True) if a < want]
    if hungry:
        assert max(shares) - min(hungry) <= 1
        assert max([*content, 0]) <= min(hungry) + 1


@pytest.mark.parametrize(
    "rows", [1, 64], ids=["requests for one row", "requests for many"]
)
def test_a_modest_caller_is_in_the_next_batch_however_much_waits(rows: int) -> None:
    queue = queue_of(*[request_of(GREEDY, rows) for _ in range(200)])
    queue.take(8)
    queue.add(request_of(MODEST, 2))
    assert take(queue, 8) == {"greedy": 6, "modest": 2}
    assert take(queue, 8) == {"greedy": 8}


def test_callers_of_whom_a_batch_holds_too_few_come_one_after_the_other() -> None:
    names = ["a", "b", "c", "d", "e"]
    queue = queue_of(*[request_of(Turn(name)) for _ in range(2) for name in names])
    batches = [take(queue, 2) for _ in range(5)]
    assert [sorted(batch) for batch in batches] == [
        ["a", "b"], ["c", "d"], ["a", "e"], ["b", "c"], ["d", "e"]
    ]  # fmt: skip


def test_many_shapes_of_one_caller_are_one_turn() -> None:
    queue = queue_of(*[request_of(GREEDY, 1, width) for width in range(1, 9)])
    queue.take(8)
    queue.add(request_of(MODEST, 1, 99))
    batches = [take(queue, 8) for _ in range(2)]
    assert batches == [{"greedy": 1}, {"modest": 1}]


def test_what_is_kept_whole_takes_turns_too() -> None:
    requests = [request_of(turn) for turn in (*[GREEDY] * 3, MODEST)]
    for request in requests:
        request.keep_whole()
    queue = queue_of(*requests)
    taken = [take(queue, 8) for _ in range(4)]
    assert [next(iter(batch)) for batch in taken] == [
        "greedy", "modest", "greedy", "greedy"
    ]  # fmt: skip


def test_bulk_fills_what_interactive_rows_leave_of_a_batch() -> None:
    queue = queue_of(request_of(BULK, 100), request_of(MODEST, 3))
    assert take(queue, 8) == {"modest": 3, "nightly": 5}
    assert take(queue, 8) == {"nightly": 8}


def test_bulk_begins_one_batch_of_eight_however_much_is_interactive() -> None:
    queue = queue_of(request_of(BULK, 1000), request_of(GREEDY, 1000))
    batches = [take(queue, 8) for _ in range(2 * BULK_EVERY)]
    of_bulk = [number for number, batch in enumerate(batches, 1) if "nightly" in batch]
    assert of_bulk == [BULK_EVERY, 2 * BULK_EVERY]
    assert batches[BULK_EVERY - 1] == {"nightly": 8}


@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.booleans(), st.integers(1, 6), st.integers(1, 2)
        ),
        max_size=40,
    ),
    most=st.integers(1, 8),
)
def test_every_row_is_taken_once(
    asked: list[tuple[str, bool, int, int]], most: int
) -> None:
    requests = [
        request_of(Turn(name, bulk), rows, width) for name, bulk, rows, width in asked
    ]
    queue = queue_of(*requests)
    while queue:
        before, ready = queue.rows, queue.ready_rows
        batch = queue.take(most)
        assert sum(part.count for part in batch) == min(most, ready)
        assert len({part.rows[0].shape[1:] for part in batch}) == 1
        assert queue.rows == before - min(most, ready)
    assert all(request.taken == request.count for request in requests)
    assert (queue.rows, queue.ready_rows) == (0, 0)


def test_whoever_has_most_of_a_full_queue_makes_room() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model, max_queue_rows=4) as (batcher, _):
            running = batcher.submit(rows_of(0), soon(), "", GREEDY)
            await model.began.wait()
            first = batcher.submit(rows_of(1, 2), soon(), "", GREEDY)
            last = batcher.submit(rows_of(3, 4), soon(), "", GREEDY)
            with pytest.raises(QueueFull, match="4 rows wait, at most 4 may"):
                batcher.submit(rows_of(5), soon(), "", GREEDY)
            modest = batcher.submit(rows_of(6), soon(), "", MODEST)
            with pytest.raises(QueueFull, match="others have less there than you"):
                await last
            model.free.set()
            answers = await asyncio.gather(running, first, modest)
        assert [doubled(answer) for answer in answers] == [[0], [2, 4], [12]]

    run(test)


def test_nobody_makes_room_for_who_would_have_more() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model, max_queue_rows=4) as (batcher, _):
            running = batcher.submit(rows_of(0), soon(), "", GREEDY)
            await model.began.wait()
            theirs = [batcher.submit(rows_of(i), soon(), "", GREEDY) for i in range(4)]
            with pytest.raises(QueueFull):
                batcher.submit(rows_of(*range(3)), soon(), "", MODEST)
            model.free.set()
            await asyncio.gather(running, *theirs)

    run(test)


def test_a_deadline_is_judged_by_what_comes_before_and_not_by_all_that_waits() -> None:
    async def test() -> None:
        model = DoublingModel()
        async with batcher_of(model) as (batcher, _):
            batcher.throughput.learn(8, 8.0)
            model.free.clear()
            running = batcher.submit(rows_of(0), soon(), "", GREEDY)
            await asyncio.sleep(0)
            waiting = batcher.submit(rows_of(*range(30)), soon() + 60, "", GREEDY)
            in_time = soon() - 50
            with pytest.raises(QueueFull, match="30 rows wait, which takes"):
                batcher.submit(rows_of(1), in_time, "", GREEDY)
            modest = batcher.submit(rows_of(7), in_time, "", MODEST)
            with pytest.raises(QueueFull, match="rows wait, which takes"):
                batcher.submit(rows_of(1), in_time, "", BULK._replace(caller="greedy"))
            model.free.set()
            answers = await asyncio.gather(running, waiting, modest)
        assert doubled(answers[-1]) == [14]

    run(test)


def test_who_is_refused_for_another_is_told_why() -> None:
    told: list[str] = []

    class Caller(_Nobody):
        def fail(self, request: QueuedRequest, error: ServeryError) -> None:
            told.append(f"{request.number}: {error.code}")

    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model, max_queue_rows=3) as (batcher, _):
            running = batcher.submit(rows_of(0), soon(), "", MODEST)
            await model.began.wait()
            greedy = Caller()
            batcher.queue(
                QueuedRequest(rows_of(1), soon(), greedy, number, turn=GREEDY)
                for number in range(3)
            )
            modest = batcher.submit(rows_of(1), soon(), "", MODEST)
            assert told == ["2: queue_full"]
            await batcher.close(timeout_s=0)
            assert told == ["2: queue_full", "0: shutting_down", "1: shutting_down"]
            for each in (running, modest):
                assert each.exception() is not None

    run(test)

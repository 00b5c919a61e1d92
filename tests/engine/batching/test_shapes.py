"""Rows of different shapes are never put together, and none of them starves."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.batching.queue import QueuedRequest, RowQueue
from service.engine.batching.tensors import Tensors
from service.errors import ModelFailed
from tests.engine.batching.test_batcher import (
    POISON,
    DoublingModel,
    _Nobody,
    batcher_of,
    doubled,
    rows_of,
    run,
    soon,
)


def pictures(*shape: int) -> Tensors:
    return (np.ones(shape, np.int64),)


def texts(*shape: int) -> Tensors:
    return (np.full(shape, b"text", dtype=object),)


def request_of(rows: Tensors) -> QueuedRequest:
    return QueuedRequest(rows, soon(), _Nobody())


def test_rows_of_two_shapes_are_two_batches() -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, notes):
            first = batcher.submit(pictures(1, 2), soon())
            await model.began.wait()
            shapes = [(1, 2), (1, 3), (1, 2), (2, 3), (1, 2, 1)]
            later = [batcher.submit(pictures(*shape), soon()) for shape in shapes]
            model.free.set()
            answers = await asyncio.gather(first, *later)
        received = [answer.outputs[0].shape for answer in answers]
        assert received == [(1, 2), *shapes]
        assert notes.batches == [(1, 0), (2, 0), (3, 1), (1, 0)]

    run(test)


def test_strings_of_different_shapes_are_never_put_together() -> None:
    queue = RowQueue()
    for shape in ((1,), (1, 2), (2,)):
        queue.add(request_of(texts(*shape)))
    assert queue.ready_rows == 3
    taken = [[part.rows[0].shape for part in queue.take(8)] for _ in range(2)]
    assert taken == [[(1,), (2,)], [(1, 2)]]
    assert not queue


@given(
    widths=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), max_size=30),
    most=st.integers(1, 8),
)
def test_every_row_is_taken_once_by_a_batch_of_its_shape_oldest_first(
    widths: list[tuple[int, int]], most: int
) -> None:
    queue = RowQueue()
    requests = [request_of(pictures(rows, width)) for width, rows in widths]
    for request in requests:
        queue.add(request)
    while queue:
        oldest = next((each for each in requests if each.taken == 0), None)
        split = any(0 < each.taken < each.count for each in requests)
        before = queue.rows
        batch = queue.take(most)
        assert len({part.rows[0].shape[1:] for part in batch}) == 1
        assert 0 < sum(part.count for part in batch) <= most
        assert queue.rows == before - sum(part.count for part in batch)
        assert split or batch[0].request is oldest
    assert all(request.taken == request.count for request in requests)
    assert queue.rows == 0


def test_a_shape_that_comes_seldom_waits_for_those_before_it_and_no_longer() -> None:
    queue = RowQueue()
    many = [request_of(pictures(1, 2)) for _ in range(6)]
    rare = request_of(pictures(1, 3))
    for request in (*many[:4], rare, *many[4:]):
        queue.add(request)
    order = [[part.request for part in queue.take(3)] for _ in range(3)]
    assert order == [many[:3], many[3:], [rare]]


def test_a_request_that_is_cancelled_leaves_the_line_of_its_shape() -> None:
    queue = RowQueue()
    narrow, wide = request_of(pictures(2, 2)), request_of(pictures(3, 3))
    queue.add(narrow)
    queue.add(wide)
    assert queue.forget(narrow)
    assert not queue.forget(narrow)
    assert (queue.rows, queue.ready_rows) == (3, 3)
    assert [part.request for part in queue.take(8)] == [wide]


@pytest.mark.parametrize("guilty", [0, 3, 6])
def test_one_bad_neighbour_fails_nobody(guilty: int) -> None:
    async def test() -> None:
        model = DoublingModel()
        model.free.clear()
        async with batcher_of(model) as (batcher, _):
            first = batcher.submit(rows_of(1), soon())
            await model.began.wait()
            values = [POISON if i == guilty else i for i in range(7)]
            requests = [batcher.submit(rows_of(value), soon()) for value in values]
            model.free.set()
            await first
            for i, request in enumerate(requests):
                if i == guilty:
                    with pytest.raises(ModelFailed):
                        await request
                else:
                    assert doubled(await request) == [2 * i]
        assert len(model.sizes) <= 2 + 2 * 3  # halved and halved again

    run(test)

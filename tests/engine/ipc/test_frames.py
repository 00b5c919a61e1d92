"""Frames survive the socket, however it cuts them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from service.engine.batching.callers import Turn
from service.engine.batching.tensors import cut_rows
from service.engine.ipc import frames
from service.engine.ipc.frames import (
    Answered,
    FrameReader,
    Kind,
    Requested,
    frame,
    pack_answer,
    pack_error,
    pack_request,
    pack_tensors,
    unpack_answer,
    unpack_error,
    unpack_request,
    unpack_tensors,
)
from service.errors import QueueFull

NUMBERS = scalar_dtypes().filter(lambda d: d.kind in "buif" and d.byteorder in "=|<")
SUPPORTED = NUMBERS.filter(lambda dtype: dtype in frames._CODES)
ARRAYS = SUPPORTED.flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=4, max_side=4))
)
STRINGS = st.lists(st.binary(max_size=20), max_size=5).map(
    lambda values: np.array([*values, None], dtype=object)[:-1]
)


@given(st.lists(ARRAYS | STRINGS, max_size=3))
def test_rows_come_out_as_they_went_in(rows: list[np.ndarray]) -> None:
    data = b"".join(pack_tensors([tuple(rows)]))
    back = unpack_tensors(memoryview(data), 0)
    assert len(back) == len(rows)
    for sent, received in zip(rows, back, strict=True):
        assert received.dtype == sent.dtype
        assert received.shape == sent.shape
        assert received.tobytes() == sent.tobytes() or list(received) == list(sent)


@given(st.lists(st.binary(max_size=50), max_size=10), st.data())
def test_frames_are_found_wherever_the_stream_is_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(b"".join(frame(Kind.ANSWER, body)) for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    frames = FrameReader()
    received = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += [bytes(body) for _, body in frames.feed(stream[start:stop])]
    assert received == bodies


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_the_rows_of_several_callers_travel_as_one_tensor(counts: list[int]) -> None:
    numbers = np.arange(3 * sum(counts), dtype=np.float32).reshape(-1, 3)
    texts = np.array([b"x" * row for row in range(len(numbers))], dtype=object)
    parts = list(cut_rows((numbers, texts), counts))
    whole = unpack_tensors(memoryview(b"".join(pack_tensors(parts))), 0)
    assert (whole[0] == numbers).all()
    assert (whole[1] == texts).all()


def test_a_request_says_who_asks_what() -> None:
    turn = Turn("2001:db8::/64", bulk=True)
    callers = [Requested(7, 1, 0.5, "a-1", turn), Requested(2**32 - 1, 2, 1e6)]
    parts = [(np.zeros((1, 2)),), (np.ones((2, 2)),)]
    pieces = pack_request("ü", 3, "serving_default", callers, parts)
    received = unpack_request(memoryview(b"".join(pieces))[5:])
    assert received[:4] == (3, "ü", "serving_default", callers)
    assert received.tensors[0].tolist() == [[0, 0], [1, 1], [1, 1]]


def test_an_answer_says_who_waited_how_long() -> None:
    callers = [Answered(7, 1, 0.5, 0.25)]
    pieces = pack_answer(3, 32, callers, [(np.zeros((1, 2)),)])
    received = unpack_answer(memoryview(b"".join(pieces))[5:])
    assert received[:3] == (3, 32, callers)


def test_an_error_keeps_its_class_its_words_and_its_retry() -> None:
    pieces = pack_error(9, QueueFull("full", retry_after_s=4))
    number, error = unpack_error(memoryview(b"".join(pieces))[5:])
    assert number == 9
    assert isinstance(error, QueueFull)
    assert (error.message, error.retry_after_s) == ("full", 4)

"""Frames survive the socket, however it cuts them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from service.engine import wire
from service.engine.wire import Frames, Kind, frame, pack_rows, unpack_rows

NUMBERS = scalar_dtypes().filter(lambda d: d.kind in "buif" and d.byteorder in "=|<")
SUPPORTED = NUMBERS.filter(lambda dtype: dtype in wire._CODES)
ARRAYS = SUPPORTED.flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=4, max_side=4))
)
STRINGS = st.lists(st.binary(max_size=20), max_size=5).map(
    lambda values: np.array([*values, None], dtype=object)[:-1]
)


@given(st.lists(ARRAYS | STRINGS, max_size=3))
def test_rows_come_out_as_they_went_in(rows: list[np.ndarray]) -> None:
    data = b"".join(pack_rows(tuple(rows)))
    back = unpack_rows(memoryview(data), 0)
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
    frames = Frames()
    received = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += [bytes(body) for _, body in frames.feed(stream[start:stop])]
    assert received == bodies


def test_text_is_found_at_its_offset() -> None:
    data = memoryview(b"xx" + wire.pack_text("digits") + wire.pack_text("ü"))
    name, offset = wire.unpack_text(data, 2)
    assert (name, wire.unpack_text(data, offset)[0]) == ("digits", "ü")

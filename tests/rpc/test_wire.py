"""Messages are weighed before they are parsed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, MalformedBody
from service.rpc.generated import open_inference_pb2 as protocol
from service.rpc.wire import MOST_WORK, PER_FIELD, check_work

Request = protocol.ModelInferRequest
MOST_FIELDS = MOST_WORK // PER_FIELD


def check(data: bytes) -> None:
    check_work(data, Request.DESCRIPTOR)


def with_contents(**values: list[int] | list[float] | list[bytes]) -> bytes:
    request = Request()
    for name, each in values.items():
        getattr(request.inputs.add().contents, name).extend(each)
    return bytes(request.SerializeToString())


def test_bytes_and_floats_weigh_nothing() -> None:
    check(Request(raw_input_contents=[bytes(10 * MOST_WORK)]).SerializeToString())
    check(with_contents(fp32_contents=[1.5] * MOST_WORK))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x2a\x00" * (MOST_FIELDS + 1), id="empty-messages"),
        pytest.param(b"\x3a\x00" * (MOST_FIELDS + 1), id="empty-bytes"),
        pytest.param(b"\xf8\x07\x00" * (MOST_FIELDS + 1), id="unknown-fields"),
        pytest.param(with_contents(int_contents=[1] * MOST_WORK), id="integers"),
        pytest.param(with_contents(bytes_contents=[b""] * MOST_FIELDS), id="strings"),
    ],
)
def test_what_costs_the_parser_much_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="raw bytes"):
        check(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x2a", id="no-length"),
        pytest.param(b"\x2a\x05\x2a", id="truncated-inside"),
        pytest.param(b"\xff" * 20, id="endless-number"),
        pytest.param(b"\x2b\x2c", id="group"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBody, match="ModelInferRequest"):
        check(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_weighed_or_refused(data: bytes) -> None:
    with suppress(InvalidInput, MalformedBody):
        check(data)

"""Bodies in JSON, from their first bytes to their rows."""

from typing import ClassVar

import pytest

from service.errors import InvalidInput, MalformedBody, ServeryError, TooManyRows
from service.web.http.body import QUICK_BYTES, RequestModel, parse_json


class Numbers(RequestModel):
    rows_field: ClassVar[str] = "numbers"
    numbers: tuple[int, ...] = ()


def parse(body: bytes) -> tuple[int, ...]:
    return parse_json(body, Numbers, max_rows=4, max_values=1000).numbers


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "BOM"])
def test_json_is_read_behind_a_byte_order_mark(mark: bytes) -> None:
    assert parse(mark + b'{"numbers": [1, 2]}') == (1, 2)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"", MalformedBody, "not JSON"),
        (b"{}{}", MalformedBody, "trailing"),
        ("{}".encode("utf-16"), MalformedBody, "expected UTF-8, received UTF-16"),
        (b"[" * 1000, MalformedBody, "recursion"),
        (b'{"numbers": [' + b"9" * 5000 + b"]}", MalformedBody, "out of range"),
        (b'{"numbers": ["\xff"]}', MalformedBody, "not JSON"),
        (b'{"numbers": [NaN]}', InvalidInput, "numbers.0: expected"),
        (b'{"numbers": [1,2,3,4,5]}', TooManyRows, "at most 4 rows, received 5"),
        (b'{"numbers": [0,0,0,0,"x"]}', TooManyRows, "received 5"),
        (b"[0]", InvalidInput, "expected an object, received list of 1"),
        (b"{" + b" " * QUICK_BYTES + b"}", InvalidInput, "16,000 bytes around"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_wrong_is_said(
    body: bytes, kind: type[ServeryError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        parse(body)

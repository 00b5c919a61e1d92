"""What JSON costs is seen before it is paid."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.web.http.json_cost import check_cost

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"members": [' + b",".join([b"0"] * 2000) + b"]}",
        b"[" * 2000,
        b'{"a":' * 2000,
        b'""' * 2000,
        b'"' * 4001,
        b"[" + b"9" * 20_000 + b"]",
        b" " * 20_000,
        b'{"image": "' + b"\\/" * 20_000 + b'"}',
        b'["\\\\",' * 2000,
        b"{" + b",".join(b'"key%d":0' % i for i in range(2000)) + b"}",
    ],
    ids=["list", "depth", "objects", "strings", "quotes", "digits", "blanks",
         "escapes", "escaped backslashes", "names"],
)  # fmt: skip
def test_what_would_cost_much_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"expected at most 1,000 values|16,000 esc"):
        check_cost(body, 1000)


def test_long_strings_cost_nothing_whatever_is_in_them() -> None:
    text = 'He said: "[{,]" \\ and left.' * 400
    check_cost(json.dumps({"texts": [text, "x" * 1_000_000]}).encode(), 1000)


@given(VALUES)
def test_no_value_is_missed(value: object) -> None:
    body = json.dumps(value).encode()
    check_cost(body, max(1, 4 * count(value) + body.count(b"\\")))
    if (least := count(value) // 2 - 1) >= 1 and isinstance(value, list | dict):
        with pytest.raises(InvalidInput):
            check_cost(body, least)


def count(value: object) -> int:
    """Values, and names of values."""
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, dict):
        return 1 + sum(1 + count(each) for each in value.values())
    return 1

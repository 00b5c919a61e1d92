"""JSON's values become the dtype that is wanted, or a message that says why not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.values import to_array
from service.errors import InvalidInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=12,
)
NAMES = ("bool", "uint8", "int32", "uint64", "float16", "bfloat16", "float32", "string")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2], "float32", [1.0, 2.0]),
        ([[1, 2.5]], "float64", [[1.0, 2.5]]),
        (7, "int32", 7),
        ([True, False], "bool", [True, False]),
        ([float("nan"), float("inf")], "float32", None),
        ([2**64 - 1], "uint64", [2**64 - 1]),
        (["a", {"b64": "/w=="}], "string", [b"a", b"\xff"]),
        ("é", "string", "é".encode()),
        ([], "float32", []),
        ([[], []], "int64", [[], []]),
        ([1e300], "float32", [float("inf")]),
        ([0.5], "bfloat16", [0.5]),
    ],
)
def test_values_that_fit_are_taken(values: Any, dtype: str, expected: Any) -> None:
    array = to_array(values, dtype, "x")
    if expected is not None:
        assert array.tolist() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        ([1.5], "int32", "expected values of int32, received a number with a fraction"),
        ([True, 2], "float32", "received true or false"),
        ([[1, True]], "int64", "received true or false"),
        ([1], "bool", "expected values of bool, received a whole number"),
        ([256], "uint8", "from 0 to 255, received 256"),
        ([-1], "uint64", "received -1"),
        ([[1, 2], [3]], "float32", "equal lengths"),
        ([1, [2]], "float32", "equal lengths"),
        ([["a"], "b"], "string", "equal lengths"),
        ([None], "float32", "received null"),
        (["a"], "float32", "received a string: 'a'"),
        ([1], "string", "received a whole number"),
        ([{"b64": "?"}], "string", "expected base64"),
        ([{"b64": "AA==", "x": 1}], "string", "received an object"),
        (["x" * 1000], "int32", "…"),
        ([10**400], "float32", "expected values of float32"),
        ([2**64, -1], "int64", "expected"),
    ],
)
def test_values_that_do_not_fit_are_named(values: Any, dtype: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_array(values, dtype, "x")
    assert words in caught.value.message
    assert len(caught.value.message) < 300


@given(JSON, st.sampled_from(NAMES))
def test_whatever_comes_is_an_array_or_a_short_message(values: Any, dtype: str) -> None:
    try:
        array = to_array(values, dtype, "x")
    except InvalidInput as error:
        assert len(error.message) < 300
    else:
        assert isinstance(array, np.ndarray)

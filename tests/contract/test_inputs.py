"""Inputs by name become the tuple that a signature takes."""

from typing import Any

import numpy as np
import pytest

from service.contract.contract import Contract
from service.contract.inputs import arrange
from service.contract.signature import Signature, TensorSpec
from service.errors import InvalidInput, SignatureNotFound


def contract(*inputs: TensorSpec, **more: Any) -> Contract:
    output = TensorSpec(name="y", dtype="float32", shape=(None,))
    signature = Signature(inputs=inputs, outputs=(output,))
    signatures = {"serving_default": signature}
    return Contract(
        name="m", version=1, signatures=signatures, batch_sizes=(1, 2), **more
    )


def spec(name: str, dtype: str = "float32", *shape: int | None, **more: Any) -> Any:
    return TensorSpec(name=name, dtype=dtype, shape=shape, **more)


def ones(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.ones(shape, dtype)


PAIR = contract(spec("a", "float32", None, 2), spec("b", "int64", None))


def test_inputs_come_in_the_order_of_the_signature() -> None:
    given = {"b": ones(3, dtype="int64"), "a": ones(3, 2)}
    assert [each.shape for each in arrange(PAIR, "serving_default", given)] == [
        (3, 2),
        (3,),
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"a": ones(1, 2)}, "expected the inputs a, b; received a"),
        ({}, "received none"),
        ({"a": ones(1, 2), "b": ones(1), "c": ones(1)}, "received a, b, c"),
        ({"a": ones(1, 2), "b": ones(1)}, "input b: expected int64 [-1], received"),
        ({"a": ones(1, 3), "b": ones(1, dtype="int64")}, "float32 [-1, 2], received"),
        ({"a": ones(1), "b": ones(1, dtype="int64")}, "received float32 [1]"),
        ({"a": ones(2, 2), "b": ones(1, dtype="int64")}, "as many rows"),
        ({"a": ones(0, 2), "b": ones(0, dtype="int64")}, "at least one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(given: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        arrange(PAIR, "serving_default", given)
    assert words in caught.value.message


def test_a_signature_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SignatureNotFound, match="there are: serving_default"):
        arrange(PAIR, "encode", {})


@pytest.mark.parametrize(
    ("default", "shape", "expected"),
    [
        (3.0, (None,), [3, 3]),
        ([3.0], (None,), [3, 3]),
        ([1.0, 2.0], (None, 2), [[1, 2], [1, 2]]),
    ],
    ids=["scalar", "row", "vector"],
)
def test_a_default_is_as_long_as_the_batch(
    default: Any, shape: tuple[int | None, ...], expected: Any
) -> None:
    optional = spec("factor", "float32", *shape, default=default)
    whole = contract(spec("x", "float32", None), optional)
    _, factor = arrange(whole, "serving_default", {"x": ones(2)})
    assert factor.tolist() == expected


def test_a_default_of_text_is_decoded() -> None:
    whole = contract(
        spec("x", "float32"),
        spec("mode", "string", default="aGk="),
        unbatched={"serving_default": "no rows"},
    )
    _, mode = arrange(whole, "serving_default", {"x": ones()})
    assert mode.tolist() == b"hi"

"""Floats go into messages as bytes, everything else value by value."""

import numpy as np
import pytest

from service.contract.packed import MOST_AT_ONCE, extend
from service.contract.tensorflow_protos import load_module

TensorProto = load_module("tensorflow.core.framework.tensor_pb2").TensorProto


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("float_val", np.array([[1.5, -np.inf], [0, 3]], np.float32)),
        ("double_val", np.linspace(0, 1, MOST_AT_ONCE + 1)),
        ("int64_val", np.array([-(2**63), 2**63 - 1])),
        ("bool_val", np.array([True, False])),
        ("string_val", np.array([b"", b"\xff"], dtype=object)),
        ("float_val", np.empty(0, np.float32)),
    ],
)
def test_values_are_put_behind_those_that_are_there(
    field: str, values: np.ndarray
) -> None:
    proto = TensorProto()
    for _ in range(2):
        extend(proto, TensorProto.DESCRIPTOR.fields_by_name[field], values)
    assert list(getattr(proto, field)) == 2 * values.ravel().tolist()


def test_columns_of_a_larger_array_keep_their_order() -> None:
    proto, columns = TensorProto(), np.arange(6, dtype=np.float32).reshape(2, 3).T
    extend(proto, TensorProto.DESCRIPTOR.fields_by_name["float_val"], columns)
    assert list(proto.float_val) == [0, 3, 1, 4, 2, 5]

"""SavedModels of strangers, computed as they are, by the contract read from them."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from service.contract.contract import from_saved_model
from service.contract.saved_model import read_saved_model
from service.engine.compute.tensorflow_runtime import TensorFlowModel, TensorFlowRuntime
from tests.saved_models import DTYPES, KINDS


def load(kind: str, folder: Path) -> TensorFlowModel:
    KINDS[kind](folder)
    contract = from_saved_model(kind, 1, read_saved_model(folder))
    model = TensorFlowRuntime("cpu", 1).load(folder, contract)
    model.warm()
    return model


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def texts(*values: bytes) -> np.ndarray:
    return np.array(values, dtype=object)


CASES: list[tuple[str, tuple[Any, ...], list[Any]]] = [
    ("half_plus_two", (floats(1, 2, 5),), [[2.5, 3, 4.5]]),
    ("version_one", (floats(1, 2, 5),), [[2.5, 3, 4.5]]),
    ("two_inputs", (texts(b"you"), np.array([[1, 2]])), [[[2, 4]], [b"hello you"]]),
    ("fixed_rows", (np.ones((2, 3), np.float32),), [[[2] * 3] * 2]),
    ("no_rows", (floats(1, 2, 3),), [[1, 4, 9]]),
    ("scalar", (np.float32(1),), [2]),
    ("scalar_text", (np.array(b"a", dtype=object),), [b"A"]),
    ("scalar_output", (floats(1, 2, 3),), [6]),
    ("other_length", (floats(1, -2, 3),), [[1, 3]]),
    ("free_shape", (np.ones((2, 5, 7), np.float32),), [[1, 1]]),
    ("any_rank", (np.ones((1, 2), np.float32),), [[[-1, -1]]]),
    ("hash_table", (texts(b"two", b"three"),), [[2, -1]]),
    ("table_from_asset", (texts(b"two", b"zero"),), [[2, 0]]),
    ("variables", (np.ones((1, 3), np.float32),), [[[3, 3]]]),
    ("mixes_rows", (floats(1, 3),), [[-1, 1]]),
    ("optional_input", (np.float32(2), floats(1, 3)), [[2, 6]]),
]


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"), CASES, ids=[c[0] for c in CASES]
)
def test_it_computes_what_it_was_made_for(
    kind: str, inputs: Any, expected: list[Any], tmp_path: Path
) -> None:
    outputs = load(kind, tmp_path).run("serving_default", inputs)
    assert [output.tolist() for output in outputs] == expected


def test_every_dtype_comes_out_as_it_went_in(tmp_path: Path) -> None:
    model = load("every_dtype", tmp_path)
    assert ml_dtypes.bfloat16 is not None
    sent = {
        dtype: texts(b"a", b"\xff") if dtype == "string" else np.array([1, 0], dtype)
        for dtype in DTYPES
    }
    specs = model.contract.signatures["serving_default"]
    inputs = tuple(sent[spec.name.removeprefix("in_")] for spec in specs.inputs)
    outputs = model.run("serving_default", inputs)
    for spec, output in zip(specs.outputs, outputs, strict=True):
        original = sent[spec.name.removeprefix("out_")]
        assert output.dtype == original.dtype
        assert output.tolist() == original.tolist()


def test_outputs_of_another_length_are_found_out_before_anybody_shares_a_batch(
    tmp_path: Path,
) -> None:
    contract = load("other_length", tmp_path).contract
    assert not contract.batches("serving_default")
    assert "length" in contract.unbatched["serving_default"]


@pytest.mark.parametrize(
    ("kind", "sent"), [("counter", floats(5)), ("mutable_table", texts(b""))]
)
def test_a_warm_up_leaves_no_trace_in_what_keeps_state(
    kind: str, sent: np.ndarray, tmp_path: Path
) -> None:
    model = load(kind, tmp_path)
    first = model.run("serving_default", (sent,))[0].tolist()
    second = model.run("serving_default", (sent,))[0].tolist()
    assert (first, second) == (([5], [10]) if kind == "counter" else ([1], [2]))


def test_each_signature_can_be_called(tmp_path: Path) -> None:
    model = load("several_signatures", tmp_path)
    assert model.run("double", (floats(4),))[0].tolist() == [8]
    assert model.run("lengths", (texts(b"four"),))[0].tolist() == [4]

"""Warm-up requests, written as TensorFlow Serving's tools write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2 as logs

from service.contract.contract import from_saved_model
from service.contract.saved_model import read_saved_model
from service.contract.warmup import (
    FILENAME,
    MOST_RECORDS,
    WarmupError,
    read_warmup,
)
from service.engine.compute.tensorflow_runtime import TensorFlowRuntime
from tests.saved_models import KINDS


def write(folder: Path, *records: bytes) -> Path:
    path = folder / FILENAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def predict(signature: str = "", **inputs: Any) -> bytes:
    log = logs.PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    for name, values in inputs.items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return bytes(log.SerializeToString())


def classify(**features: float) -> bytes:
    log = logs.PredictionLog()
    example = log.classify_log.request.input.example_list.examples.add()
    for name, value in features.items():
        example.features.feature[name].float_list.value.append(value)
    return bytes(log.SerializeToString())


def load(kind: str, folder: Path) -> Any:
    KINDS[kind](folder)
    contract = from_saved_model(kind, 1, read_saved_model(folder))
    return TensorFlowRuntime("cpu", 1).load(folder, contract)


def test_a_model_without_them_has_none(tmp_path: Path) -> None:
    assert list(read_warmup(tmp_path)) == []


def test_requests_come_in_their_order_with_named_arrays(tmp_path: Path) -> None:
    write(tmp_path, predict(x=[1.0, 2.0]), predict("words", text=["a", "b"]))

    (first, one), (second, other) = read_warmup(tmp_path)

    assert (first, second) == ("serving_default", "words")
    np.testing.assert_array_equal(one["x"], np.array([1, 2], np.float32))
    assert other["text"].tolist() == [b"a", b"b"]


def test_examples_become_the_strings_that_they_are(tmp_path: Path) -> None:
    write(tmp_path, classify(x=1.5))

    ((_, inputs),) = read_warmup(tmp_path)

    example = tf.train.Example.FromString(inputs["inputs"][0])
    assert example.features.feature["x"].float_list.value == [1.5]


def test_requests_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    log = logs.PredictionLog()
    log.session_run_log.SetInParent()
    write(tmp_path, log.SerializeToString(), predict(x=[1.0]))

    assert len(list(read_warmup(tmp_path))) == 1


def cut(data: bytearray) -> None:
    del data[-3:]


def flip(data: bytearray) -> None:
    data[14] ^= 1


def grow(data: bytearray) -> None:
    data[0] ^= 1


@pytest.mark.parametrize("damage", [cut, flip, grow])
def test_a_damaged_file_is_named(damage: Any, tmp_path: Path) -> None:
    path = write(tmp_path, predict(x=[1.0]))
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)

    with pytest.raises(WarmupError, match="tf_serving_warmup_requests is damaged"):
        list(read_warmup(tmp_path))


def test_records_that_are_no_requests_are_named(tmp_path: Path) -> None:
    write(tmp_path, predict(x=[1.0]), b"\xff\xff")

    with pytest.raises(WarmupError, match="record 2: expected a PredictionLog"):
        list(read_warmup(tmp_path))


def test_more_records_than_allowed_are_refused(tmp_path: Path) -> None:
    write(tmp_path, *[predict()] * (MOST_RECORDS + 1))

    with pytest.raises(WarmupError, match="at most 1,000 records"):
        list(read_warmup(tmp_path))


def test_a_model_runs_them_when_it_warms_up(tmp_path: Path) -> None:
    model = load("half_plus_two", tmp_path)
    write(tmp_path, predict(x=[1.0, 2.0, 5.0]))
    sizes: list[int] = []
    run = model.run

    def watch(signature: str, tensors: Any) -> Any:
        sizes.append(len(tensors[0]))
        return run(signature, tensors)

    model.run = watch
    model.warm()

    assert sizes[-1] == 3


def test_a_request_that_does_not_fit_fails_the_version(tmp_path: Path) -> None:
    model = load("half_plus_two", tmp_path)
    write(tmp_path, predict(z=[1.0]))

    with pytest.raises(WarmupError, match=r"warm-up request 1: .*inputs x; received z"):
        model.warm()


def test_what_keeps_state_is_not_warmed_up(tmp_path: Path) -> None:
    model = load("counter", tmp_path)
    write(tmp_path, predict(x=[5.0]))

    model.warm()

    (total,) = model.run("serving_default", (np.array([1], np.float32),))
    assert total.tolist() == [1]

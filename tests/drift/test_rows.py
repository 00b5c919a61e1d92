"""What is written down of a call, and what is not."""

import json
from typing import Any

import numpy as np
import pytest

from service.contract.signature import TensorSpec
from service.contract.task import ImageClassification
from service.drift.rows import to_lines
from tests.drift.cases import contract, outcome

IMAGE = TensorSpec(name="image", dtype="uint8", shape=(None, 8, 8))
TEXT = TensorSpec(name="text", dtype="string", shape=(None,))
TASK = ImageClassification(size=(8, 8), colour="grey")


def lines(
    given: Any, seconds: float = 0.0, *, raw: bool = False
) -> list[dict[str, Any]]:
    return [json.loads(line) for line in to_lines(seconds, "id-1", given, raw=raw)]


def test_a_record_of_a_table_is_written_down_as_it_is() -> None:
    given = outcome(contract(), [[0.1, 0.7, 0.2]], np.array([[3, 4]], np.float32))
    assert lines(given, 1e9) == [
        {
            "time": "2001-09-09T01:46:40.000+00:00",
            "model": "pets",
            "version": 1,
            "signature": "serving_default",
            "request_id": "id-1",
            "row": 0,
            "label": "dog",
            "confidence": pytest.approx(0.7),
            "inputs": {"pair": [3, 4]},
            "outputs": {"scores": pytest.approx([0.1, 0.7, 0.2])},
        }
    ]


def test_every_row_of_a_batch_is_a_line() -> None:
    given = outcome(contract(), np.eye(3))
    assert [each["label"] for each in lines(given)] == ["cat", "dog", "owl"]
    assert [each["row"] for each in lines(given)] == [0, 1, 2]


@pytest.mark.parametrize("task", [TASK, "image classification", None], ids=str)
def test_of_a_picture_however_small_only_its_spread_is_written(task: Any) -> None:
    of = contract(task=task, inputs=[IMAGE])
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    (line,) = lines(outcome(of, [[1, 0, 0]], image))
    said = line["inputs"]["image"]
    assert said == {
        "size": 64, "mean": 31.5, "deviation": pytest.approx(18.47, abs=0.01),
        "least": 0, "most": 63,
    }  # fmt: skip


def test_of_numbers_that_nobody_declared_only_their_spread_is_written() -> None:
    tokens = TensorSpec(name="tokens", dtype="int32", shape=(None, 16))
    of = contract(task=None, inputs=[tokens])
    (line,) = lines(outcome(of, [[1, 0, 0]], np.zeros((1, 16), np.int32)))
    assert "base64" not in line["inputs"]["tokens"]
    assert line["inputs"]["tokens"]["size"] == 16


@pytest.mark.parametrize("task", ["text classification", None], ids=str)
def test_of_a_text_only_its_length_is_written(task: str | None) -> None:
    of = contract(task=task, inputs=[TEXT])
    text = np.array(["geheim – secret".encode()], object)
    content = b"".join(to_lines(0.0, "", outcome(of, [[1, 0, 0]], text), raw=False))
    assert b"secret" not in content
    assert json.loads(content)["inputs"] == {"text": {"bytes": 17}}


def test_of_a_long_cell_of_a_table_only_its_length_is_written() -> None:
    of = contract(inputs=[TEXT])
    texts = np.array([b"France", b"x" * 1000], object)
    found = lines(outcome(of, [[1, 0, 0], [1, 0, 0]], texts))
    assert [each["inputs"]["text"] for each in found] == ["France", {"bytes": 1000}]


def test_where_it_is_asked_for_a_picture_can_be_made_again() -> None:
    import base64

    of = contract(task=TASK, inputs=[IMAGE])
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    (line,) = lines(outcome(of, [[1, 0, 0]], image), raw=True)
    said = line["inputs"]["image"]
    data = np.frombuffer(base64.b64decode(said["base64"]), said["dtype"])
    assert np.array_equal(data.reshape(said["shape"]), image[0])


def test_where_it_is_asked_for_a_text_is_written_too() -> None:
    of = contract(task="text classification", inputs=[TEXT])
    given = outcome(of, [[1, 0, 0]], np.array([b"hi \xff"], object))
    assert lines(given, raw=True)[0]["inputs"] == {"text": "hi �"}


def test_nan_and_infinity_are_null() -> None:
    given = outcome(contract(), [[np.nan, 1, 0]], np.array([[np.inf, 1]], np.float32))
    (line,) = lines(given)
    assert line["label"] == "(not a number)"
    assert line["confidence"] is None
    assert line["inputs"]["pair"] == [None, 1]


def test_a_call_that_nothing_is_counted_of_is_written_down_too() -> None:
    of = contract(labels=(), classes=200, task="tabular embedding")
    (line,) = lines(outcome(of, np.zeros((1, 200))))
    assert "label" not in line
    assert line["outputs"]["scores"]["size"] == 200


@pytest.mark.parametrize("seconds", [-1e18, 1e18, float("inf"), float("nan")], ids=str)
def test_a_clock_that_is_far_off_costs_only_the_time(seconds: float) -> None:
    given = outcome(contract(), [[1, 0, 0]])
    assert lines(given, seconds)[0]["time"] == ""

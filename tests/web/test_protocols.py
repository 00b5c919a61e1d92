"""SavedModels of strangers, dropped in, and called as their clients call them."""

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.models.predicting import Application
from tests.saved_models import DTYPES, KINDS


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("artifacts")
    for name, write in KINDS.items():
        write(folder / name / "1")
    started = Application(folder)
    yield started
    started.close()


def predict(application: Application, name: str, body: Any) -> httpx.Response:
    return application.ask(f"/v1/models/{name}:predict", json=body)


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


PREDICTIONS: list[tuple[str, Any, Any]] = [
    ("half_plus_two", {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
    ("half_plus_two", {"instances": [{"x": 1}]}, {"predictions": [2.5]}),
    ("half_plus_two", {"inputs": [1.0]}, {"outputs": [2.5]}),
    ("half_plus_two", {"inputs": {"x": [1.0]}, "more": 1}, {"outputs": [2.5]}),
    ("version_one", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
    (
        "two_inputs",
        {"instances": [{"name": "you", "size": [1, 2]}]},
        {"predictions": [{"double": [2, 4], "greeting": "hello you"}]},
    ),
    (
        "two_inputs",
        {"inputs": {"name": [b64(b"you")], "size": [[1, 2]]}},
        {"outputs": {"double": [[2, 4]], "greeting": ["hello you"]}},
    ),
    ("fixed_rows", {"inputs": [[1] * 3, [2] * 3]}, {"outputs": [[2] * 3, [3] * 3]}),
    ("no_rows", {"inputs": [1, 2, 3]}, {"outputs": [1, 4, 9]}),
    ("scalar", {"inputs": 1}, {"outputs": 2}),
    ("scalar_text", {"inputs": "a"}, {"outputs": "A"}),
    ("scalar_output", {"inputs": [1, 2, 3]}, {"outputs": 6}),
    ("other_length", {"inputs": [1, -2, 3]}, {"outputs": [1, 3]}),
    ("free_shape", {"instances": [[[1, 3]], [[2, 2]]]}, {"predictions": [2, 2]}),
    ("any_rank", {"inputs": [[1, 2]]}, {"outputs": [[-1, -2]]}),
    (
        "several_signatures",
        {"signature_name": "double", "instances": [4]},
        {"predictions": [8]},
    ),
    ("hash_table", {"instances": ["two", "three"]}, {"predictions": [2, -1]}),
    ("table_from_asset", {"instances": ["two"]}, {"predictions": [2]}),
    ("variables", {"instances": [[1, 1, 1]]}, {"predictions": [[3, 3]]}),
    ("optional_input", {"inputs": {"x": [1, 2]}}, {"outputs": [3, 6]}),
    ("optional_input", {"inputs": {"x": [1], "factor": 2}}, {"outputs": [2]}),
]


@pytest.mark.parametrize(
    ("name", "body", "expected"), PREDICTIONS, ids=[each[0] for each in PREDICTIONS]
)
def test_tensorflow_serving_s_predict_answers_in_rows_and_columns(
    strangers: Application, name: str, body: Any, expected: Any
) -> None:
    response = predict(strangers, name, body)
    assert (response.status_code, response.json()) == (200, expected)


def test_nan_and_infinity_are_taken_and_given(strangers: Application) -> None:
    response = strangers.ask(
        "/v1/models/half_plus_two:predict",
        content=b'{"instances": [NaN, Infinity, -1e99]}',
    )
    assert response.text == '{"predictions":[NaN,Infinity,-Infinity]}'


def test_numbers_are_written_with_the_digits_that_they_have(
    strangers: Application,
) -> None:
    response = predict(strangers, "no_rows", {"inputs": [0.1, 0.2, 0.3]})
    assert response.text == '{"outputs":[0.010000001,0.040000003,0.09]}'


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("half_plus_two", {}, "received neither"),
        ("half_plus_two", {"instances": [1], "inputs": [1]}, "instances and inputs"),
        ("half_plus_two", {"instances": []}, "an empty list"),
        ("half_plus_two", {"instances": ["a"]}, "received a string: 'a'"),
        ("half_plus_two", {"instances": [[1], [2, 3]]}, "equal lengths"),
        ("half_plus_two", {"instances": [[1]]}, "received float32 [1, 1]"),
        ("half_plus_two", {"instances": [{"z": 1}]}, "expected the inputs x"),
        ("two_inputs", {"instances": [1]}, "expected an object with the inputs"),
        ("two_inputs", {"instances": [{"name": "a"}]}, "received name"),
        ("two_inputs", {"inputs": {"name": ["a"], "size": [[1.5, 1]]}}, "fraction"),
        ("scalar_output", {"instances": [1, 2]}, "send inputs (columns)"),
        ("fixed_rows", {"inputs": [[1, 1, 1]]}, "expected float32 [2, 3]"),
        ("half_plus_two", [1], "expected an object"),
        ("half_plus_two", {"instances": [1] * 300}, "at most 64 rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_tensorflow_serving_s_shape(
    strangers: Application, name: str, body: Any, words: str
) -> None:
    response = predict(strangers, name, body)
    assert response.status_code in (400, 413), response.text
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/models/nobody:predict", 404, "No model is named 'nobody'"),
        ("/v1/models/half_plus_two/versions/7:predict", 404, "no version 7"),
        ("/v1/models/half_plus_two/versions/x:predict", 404, "received 'x'"),
        ("/v1/models/half_plus_two/labels/stable:predict", 404, "no label 'stable'"),
        ("/v2/models/nobody/infer", 404, "No model is named"),
        ("/v2/models/half_plus_two/versions/9/infer", 404, "no version 9"),
    ],
)
def test_who_is_not_there_is_told(
    strangers: Application, path: str, status: int, words: str
) -> None:
    response = strangers.ask(path, json={"instances": [1], "inputs": []})
    assert response.status_code == status
    assert words in response.json()["error"]


def test_a_body_that_is_no_json_is_told(strangers: Application) -> None:
    response = strangers.ask("/v1/models/half_plus_two:predict", content=b"{")
    assert response.status_code == 400
    assert "not JSON" in response.json()["error"]


def infer(
    application: Application, name: str, body: Any, raw: bytes = b"", **headers: str
) -> httpx.Response:
    text = json.dumps(body).encode()
    if raw or headers:
        headers.setdefault("Inference-Header-Content-Length", str(len(text)))
    return application.ask(
        f"/v2/models/{name}/infer", content=text + raw, headers=headers
    )


def tensor(name: str, array: np.ndarray, datatype: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [*array.shape], "datatype": datatype, **more}


def test_open_inference_json_is_answered_in_json(strangers: Application) -> None:
    x = np.array([1.0, 2.0], np.float32)
    body = {"id": "a", "inputs": [tensor("x", x, "FP32", data=x.tolist())]}
    response = infer(strangers, "half_plus_two", body)
    assert response.json() == {
        "model_name": "half_plus_two",
        "model_version": "1",
        "id": "a",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2], "data": [2.5, 3.0]}
        ],
    }


def test_every_dtype_travels_as_raw_bytes(strangers: Application) -> None:
    import ml_dtypes

    names = {
        "bool": "BOOL", "float16": "FP16", "bfloat16": "BF16", "float32": "FP32",
        "float64": "FP64", "string": "BYTES",
    }  # fmt: skip
    inputs, raw, sent = [], b"", {}
    for dtype in DTYPES:
        datatype = names.get(dtype, dtype.upper())
        if dtype == "string":
            data = b"".join(struct.pack("<I", len(s)) + s for s in (b"a", b"\xff\x00"))
            array = np.empty(2, object)
        else:
            kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
            array = np.array([1, 0], kind)
            data = array.tobytes()
        parameters = {"binary_data_size": len(data)}
        inputs.append(tensor(f"in_{dtype}", array, datatype, parameters=parameters))
        raw += data
        sent[f"out_{dtype}"] = (datatype, data)
    body = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    response = infer(strangers, "every_dtype", body, raw)
    assert response.status_code == 200, response.text
    length = int(response.headers["Inference-Header-Content-Length"])
    facts, rest = json.loads(response.content[:length]), response.content[length:]
    for output in facts["outputs"]:
        size = output["parameters"]["binary_data_size"]
        datatype, data = sent[output["name"]]
        assert (output["datatype"], rest[:size]) == (datatype, data)
        rest = rest[size:]
    assert not rest


X = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "z"}, "expected the inputs x"),
        ({"datatype": "FP99"}, "expected a datatype of"),
        ({"datatype": "INT32"}, "expected float32 [-1], received int32 [1]"),
        ({"shape": [2]}, "expected 2 elements"),
        ({"shape": [-1]}, "sizes from 0 on"),
        ({"shape": [2**40, 2**40]}, "at most"),
        ({"shape": [1, 1]}, "received float32 [1, 1]"),
        ({"data": ["a"]}, "received a string"),
        ({"data": None}, "data or binary_data_size"),
        ({"datatype": "FP16"}, "as raw bytes"),
        ({"parameters": {"binary_data_size": 4}}, "received both"),
        ({"data": None, "parameters": {"binary_data_size": 4}}, "the 0 bytes"),
        ({"shape": "1"}, "shape"),
    ],
)
def test_a_wrong_tensor_is_told_by_the_open_inference_protocol(
    strangers: Application, changes: dict[str, Any], words: str
) -> None:
    response = infer(strangers, "half_plus_two", {"inputs": [X | changes]})
    assert response.status_code == 400, response.text
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("length", "words"),
    [("9999", "from 0 to"), ("-1", "received '-1'"), ("x", "received 'x'")],
)
def test_a_wrong_header_length_is_told(
    strangers: Application, length: str, words: str
) -> None:
    headers = {"Inference-Header-Content-Length": length}
    response = strangers.ask(
        "/v2/models/half_plus_two/infer", content=b"{}", headers=headers
    )
    assert response.status_code == 400
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("parameters", "headers", "words"),
    [
        ({"priority": -1}, {}, "priority: expected a whole number"),
        ({"priority": "low"}, {}, "received 'low'"),
        ({}, {"X-Priority": "urgent"}, "expected interactive or bulk, received 'urg"),
    ],
)
def test_a_priority_that_there_is_not_is_told(
    strangers: Application,
    parameters: dict[str, Any],
    headers: dict[str, str],
    words: str,
) -> None:
    body = {"inputs": [X], "parameters": parameters}
    response = infer(strangers, "half_plus_two", body, b"", **headers)
    assert response.status_code == 400
    assert words in response.json()["error"]
    right = {"inputs": [X], "parameters": {"priority": 2}}
    response = infer(strangers, "half_plus_two", right, b"", **{"X-Priority": "bulk"})
    assert response.status_code == 200


def test_bytes_that_belong_to_nobody_are_refused(strangers: Application) -> None:
    response = infer(strangers, "half_plus_two", {"inputs": [X]}, b"1234")
    assert response.status_code == 400
    assert "4 more" in response.json()["error"]


def test_the_same_input_twice_and_an_unknown_output_are_refused(
    strangers: Application,
) -> None:
    twice = infer(strangers, "half_plus_two", {"inputs": [X, X]})
    assert "received twice" in twice.json()["error"]
    body = {"inputs": [X], "outputs": [{"name": "z"}]}
    unknown = infer(strangers, "half_plus_two", body)
    assert "'z'" in unknown.json()["error"]


def test_a_body_without_json_is_one_tensor(strangers: Application) -> None:
    response = strangers.ask(
        "/v2/models/half_plus_two/infer",
        content=np.array([1], np.float32).tobytes(),
        headers={"Inference-Header-Content-Length": "0"},
    )
    assert response.status_code == 200, response.text
    length = int(response.headers["Inference-Header-Content-Length"])
    assert np.frombuffer(response.content[length:], np.float32).tolist() == [2.5]


def test_classes_are_named_by_value_and_index(strangers: Application) -> None:
    data = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
    output = {"name": "y", "parameters": {"classification": 1}}
    body = {"inputs": [data], "outputs": [output]}
    response = infer(strangers, "variables", body)
    assert response.json()["outputs"][0]["data"] == ["6.000000:0"]


def test_state_is_kept_and_asked_one_at_a_time(strangers: Application) -> None:
    totals = [
        predict(strangers, "counter", {"inputs": [1, 2]}).json()["outputs"][0]
        for _ in range(3)
    ]
    assert totals == [3, 6, 9]


def test_metadata_config_and_statistics_are_told(strangers: Application) -> None:
    client = strangers.get
    metadata = client("/v2/models/two_inputs").json()
    assert metadata["platform"] == "tensorflow_savedmodel"
    assert {"name": "size", "datatype": "INT64", "shape": [-1, 2]} in metadata["inputs"]
    config = client("/v2/models/two_inputs/config").json()
    assert {"name": "size", "data_type": "TYPE_INT64", "dims": [2]} in config["input"]
    (stats,) = client("/v2/models/two_inputs/stats").json()["model_stats"]
    assert stats["version"] == "1"
    served = client("/v1/models/two_inputs/metadata").json()
    signature = served["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["size"]["dtype"] == "DT_INT64"
    status = client("/v1/models/two_inputs").json()["model_version_status"]
    assert status[0]["state"] == "AVAILABLE"


def test_the_repository_is_listed(strangers: Application) -> None:
    index = strangers.ask("/v2/repository/index", content=b"").json()
    assert {"name": "scalar", "version": "1", "state": "READY", "reason": ""} in index


def test_what_reaches_out_of_the_process_is_never_ready(tmp_path: Path) -> None:
    from tests import saved_models

    saved_models.forbidden(tmp_path / "reader" / "1", "ReadFile")
    saved_models.half_plus_two(tmp_path / "half" / "1")
    application = Application(tmp_path)
    try:
        model = application.get("/v1/models/reader").json()
        assert model["versions"][0]["state"] == "failed"
        assert "ReadFile (reads files)" in model["versions"][0]["reason"]
        refused = predict(application, "reader", {"instances": ["/etc/passwd"]})
        assert refused.status_code == 503
    finally:
        application.close()

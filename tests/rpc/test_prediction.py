"""TensorFlow Serving's gRPC services, by the stubs' own messages."""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest

from service.contract.dtypes import NAMES
from service.contract.tensor_proto import to_array, to_proto
from service.contract.tensorflow_protos import load_module
from service.errors import ModelFailed
from service.rpc import model_service
from service.rpc.prediction import SERVICE
from tests.rpc.serving import SCORES, Serving, refused, values_of

APIS = "tensorflow_serving.apis"
predict_pb2 = load_module(f"{APIS}.predict_pb2")
classification_pb2 = load_module(f"{APIS}.classification_pb2")
regression_pb2 = load_module(f"{APIS}.regression_pb2")
inference_pb2 = load_module(f"{APIS}.inference_pb2")
metadata_pb2 = load_module(f"{APIS}.get_model_metadata_pb2")
status_pb2 = load_module(f"{APIS}.get_model_status_pb2")
example_pb2 = load_module("tensorflow.core.example.example_pb2")
types_pb2 = load_module("tensorflow.core.framework.types_pb2")

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
NOT_FOUND = grpc.StatusCode.NOT_FOUND


def tensor(array: np.ndarray, name: str) -> Any:
    return to_proto(array, name)


def request(signature: str = "", **arrays: np.ndarray) -> Any:
    """A request; by default two rows that the default signature takes."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "echo"
    message.model_spec.signature_name = signature
    given = arrays or {"x": np.array([[1, 2], [3, 4]], np.float32)}
    for name, array in given.items():
        dtype = "string" if array.dtype.kind == "O" else array.dtype.name
        message.inputs[name].CopyFrom(tensor(array, dtype))
    return message


def predict(serving: Serving, message: Any) -> Any:
    return serving.call(SERVICE, "Predict", message)


@pytest.mark.parametrize("dtype", NAMES)
def test_tensors_of_every_dtype_come_back_as_they_went(
    serving: Serving, dtype: str
) -> None:
    array = values_of(dtype)
    response = predict(serving, request(dtype, x=array))
    back = to_array(response.outputs["y"])
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


def test_an_answer_says_which_version_and_signature_gave_it(serving: Serving) -> None:
    spec = predict(serving, request()).model_spec
    assert (spec.name, spec.version.value) == ("echo", 2)
    assert spec.signature_name == "serving_default"


def test_values_are_answered_in_lists_as_clients_read_them(serving: Serving) -> None:
    output = predict(serving, request()).outputs["y"]
    assert list(output.float_val) == [1, 2, 3, 4]
    assert [dim.size for dim in output.tensor_shape.dim] == [2, 2]


def test_tensor_content_and_one_value_for_all_are_read_too(serving: Serving) -> None:
    message = request()
    values = message.inputs["x"]
    values.ClearField("float_val")
    values.tensor_content = np.arange(4, dtype=np.float32).tobytes()
    assert list(predict(serving, message).outputs["y"].float_val) == [0, 1, 2, 3]
    values.ClearField("tensor_content")
    values.float_val.append(7)
    assert list(predict(serving, message).outputs["y"].float_val) == [7] * 4


def test_a_version_is_asked_by_its_number(serving: Serving) -> None:
    message = request()
    message.model_spec.version.value = 1
    assert predict(serving, message).model_spec.version.value == 1


def test_only_the_outputs_of_the_filter_are_answered(serving: Serving) -> None:
    two = {"x": np.ones(2, np.float32), "z": np.array([5, 6])}
    assert set(predict(serving, request("two", **two)).outputs) == {"y", "w"}
    message = request("two", **two)
    message.output_filter.append("w")
    assert set(predict(serving, message).outputs) == {"w"}


def _tensor(**fields: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name, value in fields.items():
            each = getattr(message.inputs["x"], name)
            if isinstance(value, list):
                del each[:]
                each.extend(value)
            else:
                setattr(message.inputs["x"], name, value)

    return change


def _shape(*sizes: int) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        shape = message.inputs["x"].tensor_shape
        shape.ClearField("dim")
        for size in sizes:
            shape.dim.add(size=size)

    return change


def _spec(name: str, value: Any) -> Callable[[Any], None]:
    return lambda message: setattr(message.model_spec, name, value)


case = pytest.param


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        case(
            lambda m: m.ClearField("model_spec"), INVALID, ["model_spec"], id="no-spec"
        ),
        case(_spec("name", "nobody"), NOT_FOUND, ["nobody", "echo"], id="model"),
        case(_spec("version_label", "stable"), NOT_FOUND, ["stable"], id="label"),
        case(_spec("signature_name", "other"), NOT_FOUND, ["other"], id="signature"),
        case(
            lambda m: setattr(m.model_spec.version, "value", 9),
            NOT_FOUND,
            ["9", "1, 2"],
            id="version",
        ),
        case(
            lambda m: setattr(m.model_spec.version, "value", -1),
            NOT_FOUND,
            ["-1"],
            id="negative-version",
        ),
        case(
            lambda m: setattr(m.model_spec.version, "value", 0),
            NOT_FOUND,
            ["0"],
            id="version-0",
        ),
        case(lambda m: m.ClearField("inputs"), INVALID, ["x", "none"], id="no-input"),
        case(
            lambda m: m.inputs["q"].CopyFrom(m.inputs["x"]),
            INVALID,
            ["x", "q"],
            id="extra-input",
        ),
        case(lambda m: m.output_filter.append("q"), INVALID, ["y", "q"], id="output"),
        case(
            lambda m: m.output_filter.extend(["y", "y"]),
            INVALID,
            ["y, y"],
            id="output-twice",
        ),
        case(_tensor(dtype=types_pb2.DT_DOUBLE), INVALID, ["x", "float64"], id="dtype"),
        case(_tensor(dtype=0), INVALID, ["float32", "DT_INVALID"], id="no-dtype"),
        case(
            _tensor(dtype=types_pb2.DT_VARIANT), INVALID, ["DT_VARIANT"], id="no-data"
        ),
        case(_tensor(dtype=9999), INVALID, ["float32", "9999"], id="unknown-dtype"),
        case(_shape(4), INVALID, ["[-1, 2]", "[4]"], id="rank"),
        case(_shape(-2, -2), INVALID, ["-2"], id="negative-size"),
        case(_shape(2**62, 2**62), INVALID, ["at most"], id="overflowing-shape"),
        case(
            _tensor(tensor_content=b"\0" * 15),
            INVALID,
            ["16", "15"],
            id="too-few-bytes",
        ),
        case(
            _tensor(tensor_content=b"\0" * 17),
            INVALID,
            ["16", "17"],
            id="too-many-bytes",
        ),
        case(_tensor(float_val=[1, 2]), INVALID, ["4", "2"], id="too-few-values"),
        case(_tensor(float_val=[1] * 5), INVALID, ["4", "5"], id="too-many-values"),
        case(_tensor(float_val=[]), INVALID, ["4", "0"], id="no-values"),
    ],
)
def test_what_is_wrong_is_said(
    serving: Serving, change: Callable[[Any], Any], code: Any, words: list[str]
) -> None:
    message = request()
    change(message)
    refused(code, *words, call=lambda: predict(serving, message))
    assert predict(serving, request()).outputs  # and nobody else is harmed


def test_one_value_that_stands_for_two_gigabytes_is_refused(serving: Serving) -> None:
    message = request()
    _tensor(float_val=[1])(message)
    _shape(2**28 - 1, 2)(message)
    refused(INVALID, "16,777,216 bytes", call=lambda: predict(serving, message))


@pytest.mark.parametrize(
    ("dtype", "field", "value"),
    [
        ("int8", "int_val", 128),
        ("uint8", "int_val", -1),
        ("float16", "half_val", 2**16),
    ],
)
def test_values_beyond_their_dtype_do_not_wrap_around(
    serving: Serving, dtype: str, field: str, value: int
) -> None:
    message = request(dtype, x=np.zeros(1, dtype))
    getattr(message.inputs["x"], field)[:] = [value]
    refused(INVALID, str(value), call=lambda: predict(serving, message))


def example(**features: float) -> Any:
    made = example_pb2.Example()
    for name, value in features.items():
        made.features.feature[name].float_list.value.append(value)
    return made


def classify(serving: Serving, message: Any, signature: str = "classify") -> Any:
    message.model_spec.name = "echo"
    message.model_spec.signature_name = signature
    return serving.call(SERVICE, "Classify", message)


def test_examples_are_classified_row_by_row(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.array([[b"no", b"yes"]] * 2, dtype=object)
    scores = np.array([[0.25, 0.75], [1, 0]], np.float32)
    monkeypatch.setattr(serving.engine, "compute", lambda *_: (labels, scores))
    message = classification_pb2.ClassificationRequest()
    message.input.example_list.examples.extend([example(a=1), example(a=2)])
    response = classify(serving, message)
    assert [
        [(each.label, each.score) for each in row.classes]
        for row in response.result.classifications
    ] == [[("no", 0.25), ("yes", 0.75)], [("no", 1), ("yes", 0)]]
    assert response.model_spec.signature_name == "classify"
    (rows,) = serving.engine.last[3]
    sent = [example_pb2.Example.FromString(row) for row in rows]
    assert sent == [example(a=1), example(a=2)]


def test_the_context_belongs_to_every_example(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.array([[1.5], [2.5]], np.float32)
    monkeypatch.setattr(serving.engine, "compute", lambda *_: (values,))
    message = regression_pb2.RegressionRequest()
    message.model_spec.name, message.model_spec.signature_name = "echo", "regress"
    given = message.input.example_list_with_context
    given.examples.extend([example(a=1), example(a=2)])
    given.context.CopyFrom(example(b=3))
    response = serving.call(SERVICE, "Regress", message)
    assert [each.value for each in response.result.regressions] == [1.5, 2.5]
    (rows,) = serving.engine.last[3]
    assert example_pb2.Example.FromString(rows[1]) == example(a=2, b=3)


def test_examples_need_a_signature_for_them_and_one_example(serving: Serving) -> None:
    message = classification_pb2.ClassificationRequest()
    refused(INVALID, "example", call=lambda: classify(serving, message))
    message.input.example_list.examples.append(example(a=1))
    refused(
        INVALID,
        "tensorflow/serving/classify",
        "call Predict",
        call=lambda: classify(serving, message, "regress"),
    )


def test_a_model_that_scores_in_no_rows_is_at_fault_itself(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = np.zeros(1, np.float32)
    monkeypatch.setattr(serving.engine, "compute", lambda *_: (flat, flat))
    message = classification_pb2.ClassificationRequest()
    message.input.example_list.examples.append(example(a=1))
    refused(
        grpc.StatusCode.INTERNAL,
        SCORES.name,
        call=lambda: classify(serving, message),
    )


def tasks(*names: str, **spec: Any) -> Any:
    """A request for these signatures, on two examples; `spec` is the last one's."""
    message = inference_pb2.MultiInferenceRequest()
    for name in names:
        task = message.tasks.add(method_name=f"tensorflow/serving/{name}")
        task.model_spec.name, task.model_spec.signature_name = "echo", name
    for field, value in spec.items():
        if field == "version":
            message.tasks[-1].model_spec.version.value = value
        else:
            setattr(message.tasks[-1].model_spec, field, value)
    message.input.example_list.examples.extend([example(a=1), example(a=2)])
    return message


def multi_inference(serving: Serving, message: Any) -> Any:
    return serving.call(SERVICE, "MultiInference", message).results


def test_examples_are_classified_and_regressed_in_one_request(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {
        "classify": (
            np.array([[b"no"]] * 2, dtype=object),
            np.array([[0.25], [1]], np.float32),
        ),
        "regress": (np.array([[1.5], [2.5]], np.float32),),
    }
    monkeypatch.setattr(serving.engine, "compute", lambda name, _: outputs[name])
    message = tasks("regress", "classify")
    message.tasks[0].model_spec.version.value = 1
    regressed, classified = multi_inference(serving, message)
    assert [each.value for each in regressed.regression_result.regressions] == [
        1.5,
        2.5,
    ]
    assert regressed.model_spec.signature_name == "regress"
    rows = classified.classification_result.classifications
    assert [each.classes[0].score for each in rows] == [0.25, 1]
    assert classified.model_spec.version.value == 1
    assert {each[0][1] for each in serving.engine.submitted[-2:]} == {1}


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (tasks(), INVALID, "at least one"),
        (tasks("classify", "classify"), INVALID, "classify twice"),
        (tasks("classify", "regress", name="other"), INVALID, "one model"),
        (tasks("classify", "regress", name=""), INVALID, "name of a model"),
        (tasks("classify", "regress", version=2), INVALID, "one version"),
        (tasks("classify", version=7), NOT_FOUND, "no version 7"),
        (tasks("classify", name="nobody"), NOT_FOUND, "nobody"),
        (tasks("classify", "regress", signature_name="no"), NOT_FOUND, "no"),
        (tasks("classify", signature_name="regress"), INVALID, "serving/classify"),
        (tasks("predict"), NOT_FOUND, "predict"),
        (tasks("predict", signature_name="two"), UNIMPLEMENTED, "serving/predict"),
    ],
)
def test_tasks_are_for_signatures_of_one_version(
    serving: Serving, message: Any, code: Any, words: str
) -> None:
    refused(code, words, call=lambda: multi_inference(serving, message))


def test_one_task_that_fails_fails_the_request(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {
        "classify": (np.zeros(1, np.float32),) * 2,
        "regress": (np.zeros((2, 1), np.float32),),
    }
    monkeypatch.setattr(serving.engine, "compute", lambda name, _: outputs[name])
    message = tasks("classify")
    message.input.ClearField("example_list")
    refused(INVALID, "example", call=lambda: multi_inference(serving, message))
    message = tasks("regress", "classify")
    call = partial(multi_inference, serving, message)
    refused(grpc.StatusCode.INTERNAL, SCORES.name, call=call)

    def fail(*_: Any) -> Any:
        raise ModelFailed("It cannot.")

    monkeypatch.setattr(serving.engine, "compute", fail)
    refused(grpc.StatusCode.INTERNAL, "It cannot", call=call)


def test_metadata_is_the_signatures(serving: Serving) -> None:
    message = metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = "echo"
    response = serving.call(SERVICE, "GetModelMetadata", message)
    assert response.model_spec.version.value == 2
    signatures = metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    assert default.inputs["x"].dtype == types_pb2.DT_FLOAT
    assert [dim.size for dim in default.inputs["x"].tensor_shape.dim] == [-1, 2]
    message.metadata_field[:] = ["weights"]
    refused(
        INVALID,
        "signature_def",
        "weights",
        call=lambda: serving.call(SERVICE, "GetModelMetadata", message),
    )


def status(serving: Serving, **spec: Any) -> Any:
    message = status_pb2.GetModelStatusRequest()
    for name, value in spec.items():
        if name == "version":
            message.model_spec.version.value = value
        else:
            setattr(message.model_spec, name, value)
    found = serving.call(model_service.SERVICE, "GetModelStatus", message)
    state = status_pb2.ModelVersionStatus.State
    return [
        (each.version, state.Name(each.state), each.status.error_message)
        for each in found.model_version_status
    ]


def test_the_status_of_versions_is_told(serving: Serving) -> None:
    both = [(2, "AVAILABLE", ""), (1, "AVAILABLE", "")]
    assert status(serving, name="echo") == both
    assert status(serving, name="echo", version=1) == both[1:]
    assert status(serving, name="broken") == [(1, "END", "no file")]


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({}, INVALID),
        ({"name": "nobody"}, NOT_FOUND),
        ({"name": "echo", "version": 9}, NOT_FOUND),
        ({"name": "echo", "version_label": "stable"}, NOT_FOUND),
    ],
)
def test_the_status_of_what_is_not_there(
    serving: Serving, spec: dict[str, Any], code: Any
) -> None:
    refused(code, call=lambda: status(serving, **spec))

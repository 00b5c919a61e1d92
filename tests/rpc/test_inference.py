"""The Open Inference Protocol's gRPC service, message by message."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from service.contract.dtypes import NAMES
from service.engine.batching.callers import Turn
from service.rpc.contents import LISTS, MOST_STRINGS
from service.rpc.generated import open_inference_pb2 as protocol
from service.rpc.inference import SERVICE
from service.web.api.v2.datatypes import DATATYPES, from_raw, to_raw
from service.web.api.v2.datatypes import NAMES as DTYPES
from tests.rpc.serving import Serving, refused, values_of

Request = protocol.ModelInferRequest
INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND


def raw_request(array: np.ndarray, datatype: str, signature: str = "") -> Any:
    request = Request(model_name="echo", raw_input_contents=[to_raw(array)])
    request.inputs.add(name="x", datatype=datatype, shape=array.shape)
    if signature:
        request.parameters["signature_name"].string_param = signature
    return request


def typed_request(array: np.ndarray, datatype: str, signature: str = "") -> Any:
    request = raw_request(array, datatype, signature)
    del request.raw_input_contents[:]
    values = getattr(request.inputs[0].contents, LISTS[datatype])
    values.extend(array.ravel().tolist())
    return request


def pairs() -> Any:
    """Two rows that the default signature takes."""
    return raw_request(np.array([[1, 2], [3, 4]], np.float32), "FP32")


def infer(serving: Serving, request: Any, **options: Any) -> Any:
    return serving.call(SERVICE, "ModelInfer", request, **options)


@pytest.mark.parametrize("dtype", [each for each in NAMES if each in DATATYPES])
def test_raw_tensors_of_every_datatype_come_back_as_they_went(
    serving: Serving, dtype: str
) -> None:
    array = values_of(dtype)
    response = infer(serving, raw_request(array, DATATYPES[dtype], dtype))
    (output,), (raw,) = response.outputs, response.raw_output_contents
    assert (output.name, output.datatype) == ("y", DATATYPES[dtype])
    back = from_raw(memoryview(raw), output.datatype, list(output.shape), "y")
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


@pytest.mark.parametrize("datatype", LISTS)
def test_typed_tensors_are_answered_in_typed_lists(
    serving: Serving, datatype: str
) -> None:
    array = values_of(DTYPES[datatype])
    response = infer(serving, typed_request(array, datatype, DTYPES[datatype]))
    assert not response.raw_output_contents
    values = getattr(response.outputs[0].contents, LISTS[datatype])
    assert list(values) == array.tolist()


def test_an_answer_says_who_gave_it(serving: Serving) -> None:
    request = pairs()
    request.id = "seven"
    response = infer(serving, request)
    assert (response.model_name, response.model_version) == ("echo", "2")
    assert response.id == "seven"
    request.model_version = "1"
    assert infer(serving, request).model_version == "1"
    assert serving.engine.last[:3] == ("echo", 1, "serving_default")


def test_only_the_outputs_that_are_named_are_answered(serving: Serving) -> None:
    request = raw_request(np.ones(2, np.float32), "FP32", "two")
    request.inputs.add(name="z", datatype="INT64", shape=[2])
    request.raw_input_contents.append(to_raw(np.array([5, 6])))
    assert [each.name for each in infer(serving, request).outputs] == ["y", "w"]
    request.outputs.add(name="w")
    response = infer(serving, request)
    assert [each.name for each in response.outputs] == ["w"]
    assert response.raw_output_contents == [to_raw(np.array([5, 6]))]


def test_the_classification_extension_names_the_best(serving: Serving) -> None:
    request = pairs()
    output = request.outputs.add(name="y")
    output.parameters["classification"].int64_param = 1
    response = infer(serving, request)
    assert response.outputs[0].datatype == "BYTES"
    found = from_raw(memoryview(response.raw_output_contents[0]), "BYTES", [2, 1], "y")
    assert found.ravel().tolist() == [b"2.000000:1:yes", b"4.000000:1:yes"]


def test_the_protocols_timeout_shortens_the_deadline(serving: Serving) -> None:
    request = pairs()
    request.parameters["timeout"].int64_param = 500_000
    infer(serving, request)
    assert serving.engine.last[4] - time.monotonic() < 0.5


@pytest.mark.parametrize(
    ("priority", "word", "turn"),
    [
        (0, "interactive", Turn("127.0.0.1")),
        (1, "interactive", Turn("127.0.0.1")),
        (2, "interactive", Turn("127.0.0.1", bulk=True)),
        (0, "bulk", Turn("127.0.0.1", bulk=True)),
    ],
)
def test_what_can_wait_says_so(
    serving: Serving, priority: int, word: str, turn: Turn
) -> None:
    request = pairs()
    request.parameters["priority"].int64_param = priority
    serving.call(SERVICE, "ModelInfer", request, metadata=[("x-priority", word)])
    assert serving.engine.turns[-1] == turn


def _no_raw(request: Any) -> None:
    del request.raw_input_contents[:]


def _nothing(request: Any) -> None:
    request.ClearField("inputs")
    _no_raw(request)


def _set(**fields: Any) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        for name, value in fields.items():
            owner = request if hasattr(request, name) else request.inputs[0]
            setattr(owner, name, value)

    return change


def _shape(*sizes: int) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.inputs[0].shape[:] = sizes

    return change


def _raw(*contents: bytes) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.raw_input_contents[:] = contents

    return change


def _typed(name: str, *values: Any, raw: bool = False) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        getattr(request.inputs[0].contents, name).extend(values)
        if not raw:
            _no_raw(request)

    return change


def _another_input(name: str) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.inputs.add(name=name, datatype="FP32", shape=[2, 2])
        request.raw_input_contents.append(b"\0" * 16)

    return change


def _parameter(name: str, **value: Any) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.parameters[name].CopyFrom(protocol.InferParameter(**value))

    return change


def _output(*names: str) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        for name in names:
            request.outputs.add(name=name)

    return change


case = pytest.param


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        case(_set(model_name="nobody"), NOT_FOUND, ["nobody", "echo"], id="model"),
        case(_set(model_name=""), NOT_FOUND, ["''"], id="no-model"),
        case(_set(model_version="9"), NOT_FOUND, ["9", "1, 2"], id="version"),
        case(
            _set(model_version="-1"), INVALID, ["version", "-1"], id="negative-version"
        ),
        case(_set(model_version="9" * 99), INVALID, ["version"], id="huge-version"),
        case(
            _parameter("signature_name", string_param="other"),
            NOT_FOUND,
            ["other", "serving_default"],
            id="signature",
        ),
        case(
            _parameter("timeout", int64_param=-1),
            INVALID,
            ["timeout", "-1"],
            id="timeout",
        ),
        case(
            _parameter("priority", string_param="high"),
            INVALID,
            ["priority", "'high'"],
            id="priority",
        ),
        case(_set(name="q"), INVALID, ["inputs x", "q"], id="unknown-input"),
        case(_another_input("more"), INVALID, ["x", "more"], id="extra-input"),
        case(_another_input("x"), INVALID, ["x", "twice"], id="input-twice"),
        case(
            lambda r: r.ClearField("inputs"),
            INVALID,
            ["0", "1"],
            id="raw-without-input",
        ),
        case(
            _nothing,
            INVALID,
            ["x", "none"],
            id="no-input",
        ),
        case(_set(datatype="INT32"), INVALID, ["float32", "int32"], id="dtype"),
        case(_set(datatype="FP128"), INVALID, ["FP32", "FP128"], id="unknown-datatype"),
        case(_shape(4), INVALID, ["[-1, 2]", "[4]"], id="rank"),
        case(_shape(-2, -2), INVALID, ["-2"], id="negative-size"),
        case(_shape(2**62, 2**62), INVALID, ["at most"], id="overflowing-shape"),
        case(_shape(0, 2**62), INVALID, ["at most"], id="absurd-beside-zero"),
        case(_shape(*[1] * 40), INVALID, ["32", "40"], id="dimensions"),
        case(_raw(b"\0" * 15), INVALID, ["16 bytes", "15"], id="too-few-bytes"),
        case(_raw(b"\0" * 17), INVALID, ["16 bytes", "17"], id="too-many-bytes"),
        case(
            _raw(b"\0" * 16, b""), INVALID, ["1 inputs", "2"], id="more-raw-than-inputs"
        ),
        case(_no_raw, INVALID, ["4 elements", "0"], id="nothing-in-it"),
        case(_typed("fp32_contents", 1.0), INVALID, ["4", "1"], id="too-few-values"),
        case(
            _typed("fp64_contents", 1, 2, 3, 4),
            INVALID,
            ["fp32_contents", "fp64"],
            id="wrong-list",
        ),
        case(
            _typed("fp32_contents", 1, 2, 3, 4, raw=True),
            INVALID,
            ["both"],
            id="typed-and-raw",
        ),
        case(_output("nothing"), INVALID, ["y", "nothing"], id="output"),
        case(_output("y", "y"), INVALID, ["twice"], id="output-twice"),
        case(_output("y" * 2000), INVALID, ["1024"], id="long-name"),
    ],
)
def test_what_is_wrong_is_said(
    serving: Serving, change: Callable[[Any], Any], code: Any, words: list[str]
) -> None:
    request = pairs()
    change(request)
    refused(code, *words, call=lambda: infer(serving, request))
    assert infer(serving, pairs()).outputs  # and nobody else is harmed


@pytest.mark.parametrize(("datatype", "value"), [("INT8", 128), ("UINT16", 65536)])
def test_values_beyond_their_datatype_do_not_wrap_around(
    serving: Serving, datatype: str, value: int
) -> None:
    request = typed_request(np.array([value]), datatype, DTYPES[datatype])
    refused(INVALID, str(value), call=lambda: infer(serving, request))


def test_half_floats_have_no_typed_list(serving: Serving) -> None:
    request = raw_request(np.ones(1, np.float16), "FP16", "float16")
    _no_raw(request)
    refused(INVALID, "raw_input_contents", call=lambda: infer(serving, request))


def test_an_announced_giant_costs_nothing(serving: Serving) -> None:
    request = typed_request(np.ones((1, 2), np.float32), "FP32")
    request.inputs[0].shape[:] = [2**27, 2]
    began = time.process_time()
    refused(INVALID, "received 2", call=lambda: infer(serving, request))
    assert time.process_time() - began < 1


def test_strings_are_as_many_raw_as_in_a_list_and_no_more(serving: Serving) -> None:
    texts = np.array([b"a"] * (MOST_STRINGS + 1), dtype=object)
    most = raw_request(texts[:-1], "BYTES", "string")
    assert infer(serving, most).outputs[0].shape == [MOST_STRINGS]
    more = raw_request(texts, "BYTES", "string")
    refused(INVALID, "65,536", "65,537", call=lambda: infer(serving, more))


def test_complex_outputs_are_refused_not_faulty(serving: Serving) -> None:
    request = raw_request(np.ones(1), "FP64", "complex64")
    refused(INVALID, "complex64", call=lambda: infer(serving, request))


def test_a_stream_answers_each_message_and_goes_on_after_an_error(
    serving: Serving,
) -> None:
    wrong = pairs()
    wrong.model_name = "nobody"
    rpc = serving.rpc(SERVICE, "ModelStreamInfer")
    first, second, third = rpc(iter([pairs(), wrong, pairs()]))
    assert first.infer_response.outputs[0].name == "y"
    assert "nobody" in second.error_message
    assert not second.HasField("infer_response")
    assert third.infer_response.outputs[0].name == "y"


def ask(serving: Serving, method: str, **fields: Any) -> Any:
    return serving.call(
        SERVICE, method, getattr(protocol, f"{method}Request")(**fields)
    )


def test_the_server_is_alive_and_ready_though_a_model_is_broken(
    serving: Serving,
) -> None:
    assert ask(serving, "ServerLive").live
    assert ask(serving, "ServerReady").ready
    assert not ask(serving, "ModelReady", name="broken").ready


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [("echo", "", True), ("echo", "1", True), ("echo", "7", False),
     ("broken", "", False), ("nobody", "", False)],
)  # fmt: skip
def test_a_model_is_ready_or_not(
    serving: Serving, *, name: str, version: str, ready: bool
) -> None:
    assert ask(serving, "ModelReady", name=name, version=version).ready is ready


def test_metadata_says_what_goes_in_and_out(serving: Serving) -> None:
    server = ask(serving, "ServerMetadata")
    assert server.name == "servery"
    assert "classification" in server.extensions
    model = ask(serving, "ModelMetadata", name="echo")
    assert list(model.versions) == ["1", "2"]
    assert model.platform == "tensorflow_savedmodel"
    (tensor,) = model.inputs
    assert (tensor.name, tensor.datatype, [*tensor.shape]) == ("x", "FP32", [-1, 2])


def test_the_configuration_has_rows_apart_from_shapes(serving: Serving) -> None:
    config = ask(serving, "ModelConfig", name="echo").config
    assert config.max_batch_size == serving.settings.max_request_rows
    assert config.input[0].data_type == protocol.TYPE_FP32
    assert [*config.input[0].dims] == [2]
    assert [*config.dynamic_batching.preferred_batch_size] == [1, 2, 4, 8]


def test_the_index_has_every_version_or_those_that_are_ready(
    serving: Serving,
) -> None:
    index = ask(serving, "RepositoryIndex").models
    states = {(each.name, each.version, each.state, each.reason) for each in index}
    assert ("broken", "1", "UNAVAILABLE", "no file") in states
    ready = ask(serving, "RepositoryIndex", ready=True).models
    assert {each.name for each in ready} == {"echo"}


def test_statistics_name_what_is_ready(serving: Serving) -> None:
    stats = ask(serving, "ModelStatistics").model_stats
    assert [(each.name, each.version) for each in stats] == [
        ("echo", "1"),
        ("echo", "2"),
    ]
    refused(
        NOT_FOUND, "nobody", call=lambda: ask(serving, "ModelStatistics", name="nobody")
    )


def test_loading_is_closed_without_a_token(serving: Serving) -> None:
    refused(
        grpc.StatusCode.PERMISSION_DENIED,
        call=lambda: serving.call(
            SERVICE,
            "RepositoryModelLoad",
            protocol.RepositoryModelLoadRequest(model_name="echo"),
        ),
    )

"""Loading, unloading and configuring over gRPC, on the real service."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from struct import pack
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from service.contract.tensorflow_protos import load_module
from service.rpc import inference, model_service
from service.rpc.generated import open_inference_pb2 as protocol
from service.settings import Settings
from service.web.api.tensorflow_serving import examples
from tests import saved_models
from tests.e2e.server import Server, settle, until
from tests.rpc.serving import refused
from tests.versions import publish_shipped

pytestmark = pytest.mark.slow  # for its service

TOKEN = "only-for-this-test-9c1e"
NAME = "mammogram"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
NOT_FOUND = grpc.StatusCode.NOT_FOUND
management = load_module("tensorflow_serving.apis.model_management_pb2")


class Operator:
    """Talks to the service as an administrator does."""

    def __init__(self, server: Server, address: str):
        self.server = server
        self.address = address
        self.channel = grpc.insecure_channel(address)

    def call(self, service: Any, method: str, request: Any, **options: Any) -> Any:
        """With the token, unless there is other `metadata`."""
        descriptor = service.SERVICE.methods_by_name[method]
        answer: Any = GetMessageClass(descriptor.output_type)
        rpc = self.channel.unary_unary(
            f"/{service.SERVICE.full_name}/{method}",
            lambda each: each.SerializeToString(),
            answer.FromString,
        )
        metadata = [("authorization", f"Bearer {TOKEN}")]
        return rpc(request, **{"metadata": metadata, "timeout": 60, **options})

    def load(self, name: str = NAME, **options: Any) -> None:
        request = protocol.RepositoryModelLoadRequest(model_name=name)
        self.call(inference, "RepositoryModelLoad", request, **options)

    def unload(self, name: str = NAME, **options: Any) -> None:
        request = protocol.RepositoryModelUnloadRequest(model_name=name)
        self.call(inference, "RepositoryModelUnload", request, **options)

    def configure(self, *configs: dict[str, Any]) -> None:
        listed = {"config": {"model_config_list": {"config": configs}}}
        request = management.ReloadConfigRequest(**listed)
        self.call(model_service, "HandleReloadConfigRequest", request)

    def states(self) -> dict[int, str]:
        request = protocol.RepositoryIndexRequest()
        index = self.call(inference, "RepositoryIndex", request, metadata=[])
        ours = [each for each in index.models if each.name == NAME]
        return {int(each.version): each.state for each in ours}


def config(
    *versions: int, name: str = NAME, labels: dict[str, int] | None = None
) -> dict[str, Any]:
    policy = {"specific": {"versions": versions}}
    return {
        "name": name,
        "model_version_policy": policy,
        "version_labels": labels or {},
    }


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("administration")
    for version in (1, 2, 3):
        home = publish_shipped(folder / "artifacts", NAME, version)
    (home / "saved_model.pb").write_bytes(b"\xff")  # of the last one
    saved_models.scored_examples(folder / "artifacts" / "scored" / "1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"artifacts": folder / "artifacts", "admin_token": TOKEN}
    settings |= {"versions_kept": 1, "retire_delay_s": 0, "poll_seconds": 0.2}
    with Server(folder / "log", grpc_port=port, http_processes=1, **settings) as server:
        server.wait_ready()
        started = Operator(server, f"127.0.0.1:{port}")
        yield started
        started.channel.close()
        text = server.log.read_text()
        assert "lost the engine" not in text
        assert "Invalid encoding" not in text
        assert TOKEN not in text


@pytest.fixture(autouse=True)
def as_at_first(operator: Operator) -> Iterator[None]:
    """Version 2 alone, before and after each test."""
    yield
    operator.configure(config(2))
    until(lambda: ready(operator) == {2})
    assert operator.server.is_ready()


def ready(operator: Operator) -> set[int]:
    states = operator.states().items()
    return {version for version, state in states if state in ("READY", "UNLOADING")}


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}"],
)
def test_whoever_has_not_the_token_is_refused(
    operator: Operator, authorization: str | None
) -> None:
    metadata = [] if authorization is None else [("authorization", authorization)]
    for act in (operator.load, operator.unload):
        call = partial(act, metadata=metadata)
        refused(grpc.StatusCode.UNAUTHENTICATED, "expected Bearer", call=call)
    assert ready(operator) == {2}


def test_a_token_of_any_bytes_is_another_one(operator: Operator) -> None:
    """Clients send none such, and what gRPC logs of it would be the token."""
    host, _, port = operator.address.partition(":")
    message = protocol.RepositoryModelUnloadRequest(model_name=NAME).SerializeToString()
    head = {
        b":method": b"POST",
        b":scheme": b"http",
        b":authority": host.encode(),
        b":path": b"/inference.GRPCInferenceService/RepositoryModelUnload",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
        b"authorization": b"Bearer \xe9\xff",
    }
    fields = [
        b"\0%c%b%c%b" % (len(name), name, len(value), value)
        for name, value in head.items()
    ]
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(4, b"")
            + frame(1, b"".join(fields), flags=4, stream=1)
            + frame(0, b"\0" + pack(">I", len(message)) + message, flags=1, stream=1)
        )
        heard = b""
        while b"expected Bearer" not in heard:
            heard += connection.recv(4096) or pytest.fail(str(heard))
    assert ready(operator) == {2}


def frame(kind: int, content: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    """One of HTTP/2."""
    return pack(">I", len(content))[1:] + pack(">BBI", kind, flags, stream) + content


@pytest.mark.parametrize("name", ["", "nobody", "../mammogram", "😀" * 3000])
def test_a_model_that_is_not_there_is_not_found(operator: Operator, name: str) -> None:
    for act in (operator.load, operator.unload):
        refused(NOT_FOUND, "No model", call=partial(act, name))


def test_what_is_unloaded_is_loaded_again(operator: Operator) -> None:
    operator.unload()
    until(lambda: ready(operator) == set())
    operator.unload()
    operator.load()
    assert ready(operator) == {2}


@pytest.mark.parametrize(
    ("configs", "code", "words"),
    [
        ([config(2, labels={"a b": 1})], INVALID, "expected a label"),
        ([config(2, labels={"": 1})], INVALID, "expected a label"),
        ([config(2, labels={"new": -1})], INVALID, "greater than or equal to 1"),
        ([config(0)], INVALID, "a list of versions"),
        ([config(2**40)], INVALID, "a list of versions"),
        ([config()], INVALID, "a list of versions"),
        ([config(*range(1, 1026))], INVALID, "at most 1,024 versions"),
        ([config(1), config(2)], INVALID, "once"),
        ([config(1, name="")], INVALID, "the name of a model"),
        ([config(1, name=f"m{n}") for n in range(1025)], INVALID, "1,024 models"),
        ([config(1), config(1, name="nobody")], NOT_FOUND, "nobody"),
        ([config(1, 9)], NOT_FOUND, "no version 9"),
        ([config(1, labels={"new": 9})], NOT_FOUND, "no version 9"),
        ([config(1, labels={"new": 3})], UNAVAILABLE, "version 3 is failed"),
        (
            [{"name": NAME, "model_version_policy": {"latest": {"num_versions": 99}}}],
            INVALID,
            "received '99'",
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_changes_nothing(
    operator: Operator, configs: list[dict[str, Any]], code: Any, words: str
) -> None:
    refused(code, words, call=lambda: operator.configure(*configs))
    until(lambda: ready(operator) == {2})
    models = operator.server.client.get("/v1/models").json()["models"]
    assert "nobody" not in {each["name"] for each in models}


def test_versions_and_labels_are_configured(operator: Operator) -> None:
    operator.configure(config(1, 2, labels={"new": 1}))
    assert ready(operator) == {1, 2}
    found = operator.server.client.get(f"/v1/models/{NAME}/labels/new")
    assert found.json()["model_version_status"][0]["version"] == "1"


def test_statistics_tell_versions_apart(operator: Operator) -> None:
    operator.configure(config(1, 2))
    client = operator.server.client
    mass = {"shape": "oval", "margin": "circumscribed", "age": 50}

    def ask(version: int, rows: int, **headers: str) -> int:
        path = f"/v1/predict/{NAME}?version={version}"
        body = {"masses": [mass] * rows}
        return client.post(path, json=body, headers=headers).status_code

    def counted(which: str = "") -> dict[str, Any]:
        """The statistics by version, which gRPC tells as REST does."""
        settle()
        stats = client.get(f"/v2/models/{NAME}{which}/stats").json()["model_stats"]
        request = protocol.ModelStatisticsRequest(name=NAME)
        request.version = which.rpartition("/")[2]
        told = operator.call(inference, "ModelStatistics", request).model_stats
        expected = [
            ParseDict(each, protocol.ModelStatistics()).SerializeToString()
            for each in stats
        ]
        assert [each.SerializeToString() for each in told] == expected
        return {each["version"]: each for each in stats}

    before = counted()
    assert [ask(1, 3), ask(2, 1), ask(2, 1)] == [200] * 3
    after = counted()
    for version, rows, requests in (("1", 3, 1), ("2", 2, 2)):
        was, now = before[version], after[version]
        assert now["inference_count"] - was["inference_count"] == rows
        executions = now["execution_count"] - was["execution_count"]
        assert requests <= executions <= rows
        batches = [each["compute_infer"]["count"] for each in now["batch_stats"]]
        assert sum(batches) == now["execution_count"]
        assert abs(now["last_inference"] / 1000 - time.time()) < 60
        was, now = was["inference_stats"], now["inference_stats"]
        assert now["success"]["count"] - was["success"]["count"] == requests
        assert now["fail"] == was["fail"]
        assert 0 < now["compute_infer"]["ns"] < now["success"]["ns"]

    until(lambda: ask(1, 200, **{"X-Request-Timeout-Ms": "1"}) == 504)
    assert counted("/versions/1").keys() == {"1"}
    assert counted()["1"]["inference_stats"]["fail"]["count"] > 0
    assert counted()["2"]["inference_stats"]["fail"]["count"] == 0


def test_examples_are_scored_by_a_real_model(operator: Operator) -> None:
    """Classified and regressed, both in one request and over REST."""
    until(lambda: operator.server.client.get("/v2/models/scored/ready").is_success)
    stub = load_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
    messages = load_module("tensorflow_serving.apis.inference_pb2")
    request = messages.MultiInferenceRequest()
    for name in ("classify", "regress"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{name}")
        task.model_spec.name, task.model_spec.signature_name = "scored", name
    for value in (0.5, -3):
        example = request.input.example_list.examples.add()
        example.features.feature["a"].float_list.value.append(value)
    answer = stub.PredictionServiceStub(operator.channel).MultiInference(request)
    classified, regressed = answer.results
    best = [
        (row.classes[0].label, row.classes[0].score)
        for row in classified.classification_result.classifications
    ]
    assert best == [("positive", 0.5), ("negative", 3)]
    assert [each.value for each in regressed.regression_result.regressions] == [1, -6]
    assert regressed.model_spec.version.value == 1

    for method, expected in (
        ("classify", [[["positive", 0.5]], [["negative", 3.0]]]),
        ("regress", [1.0, -6.0]),
    ):
        body = {"signature_name": method, "examples": [{"a": 0.5}, {"a": -3.0}]}
        said = operator.server.client.post(f"/v1/models/scored:{method}", json=body)
        assert said.json() == {"results": expected}


@pytest.mark.parametrize("name", [NAME, "scored"])
def test_a_model_is_described_alike_over_rest_and_grpc(
    operator: Operator, name: str
) -> None:
    until(lambda: operator.server.client.get(f"/v2/models/{name}/ready").is_success)

    def ask(method: str) -> Any:
        request = getattr(protocol, f"{method}Request")(name=name)
        return operator.call(inference, method, request, metadata=[])

    def get(path: str) -> Any:
        return operator.server.client.get(f"/v2/models/{name}{path}").json()

    metadata, config = ask("ModelMetadata"), ask("ModelConfig").config
    assert ParseDict(get(""), protocol.ModelMetadataResponse()) == metadata
    assert ParseDict(get("/config"), protocol.ModelConfig()) == config
    assert config.max_batch_size == Settings().max_request_rows


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (1, "feature a: expected float, received int64"),
        ("x", "feature a: expected float, received string"),
        ([1.0, 2.0], r"feature a: expected values of shape \[1\], received 2"),
        ([], r"feature a: expected values of shape \[1\], received 0"),
        (None, "feature a: expected float, received none"),
    ],
)
def test_an_example_that_the_model_cannot_parse_is_its_callers_fault(
    operator: Operator, wrong: Any, said: str
) -> None:
    """Over REST and gRPC, whoever shares the batch: the rest is scored."""
    client, path = operator.server.client, "/v1/models/scored:classify"
    until(lambda: client.get("/v2/models/scored/ready").is_success)
    bad = {} if wrong is None else {"a": wrong}

    def ask(example: dict[str, Any]) -> httpx.Response:
        body = {"signature_name": "classify", "examples": [example]}
        return client.post(path, json=body)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, 16 * [bad, {"a": 0.5}]))
    for answer in answers[::2]:
        assert answer.status_code == 400
        assert re.search(said, answer.json()["error"])
    for answer in answers[1::2]:
        assert answer.json() == {"results": [[["positive", 0.5]]]}

    messages = load_module("tensorflow_serving.apis.classification_pb2")
    stub = load_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
    request = messages.ClassificationRequest()
    request.model_spec.name = "scored"
    request.model_spec.signature_name = "classify"
    text = examples.serialize(bad, "bad")
    request.input.example_list.examples.add().ParseFromString(text)
    with pytest.raises(grpc.RpcError, match=said) as caught:
        stub.PredictionServiceStub(operator.channel).Classify(request)
    assert caught.value.code() is INVALID


def test_many_at_once_leave_it_as_the_last_one_says(operator: Operator) -> None:
    acts = [operator.load, operator.unload, lambda: operator.configure(config(2))]
    with ThreadPoolExecutor(12) as threads:
        for done in [threads.submit(acts[number % 3]) for number in range(24)]:
            done.result()
    until(lambda: "UNLOADING" not in operator.states().values())
    operator.load()
    assert ready(operator) == {2}


def test_who_leaves_in_the_midst_harms_nobody(operator: Operator) -> None:
    for number in range(20):
        act = (operator.load, operator.unload)[number % 2]
        with pytest.raises(grpc.RpcError) as caught:
            for _ in range(1000):  # a few may be in time
                act(timeout=0.001)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: "UNLOADING" not in operator.states().values())
    operator.load()
    assert ready(operator) == {2}

"""API keys over gRPC: who asks a model shows one as metadata."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from service.access.editing import add_key
from service.access.keys import ApiKey, hash_key
from service.contract.tensorflow_protos import load_module
from service.rpc import inference, model_service, prediction
from service.rpc.generated import open_inference_pb2 as protocol
from tests.rpc.serving import Serving, make_engine, refused

MANAGEMENT = "tensorflow_serving.apis.model_management_pb2"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
KEYS: dict[str, dict[str, Any]] = {
    "any": {},
    "other": {"models": ("sine", "dig*")},
    "slow": {"requests_per_s": 0.001},
    "narrow": {"rows_per_s": 0.001},
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("keys")
    path: Path = folder / "keys.toml"
    for name, limits in KEYS.items():
        digest = hash_key(secret(name).encode()).hex()
        add_key(path, name, ApiKey(sha256=digest, **limits))
    started = Serving(make_engine(folder), api_keys=path)
    yield started
    started.close()


def secret(name: str) -> str:
    return f"the key of {name}"


def bearer(name: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {secret(name)}")]


def infer(serving: Serving, metadata: Any = (), rows: int = 1) -> Any:
    request = protocol.ModelInferRequest(model_name="echo")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[rows, 2])
    tensor.contents.fp32_contents.extend([1.5] * 2 * rows)
    return serving.call(
        inference.SERVICE, "ModelInfer", request, metadata=metadata, timeout=30
    )


@pytest.mark.parametrize(
    "metadata",
    [bearer("any"), [("x-api-key", secret("any"))]],
    ids=["authorization", "x-api-key"],
)
def test_a_key_opens_the_models(serving: Serving, metadata: Any) -> None:
    answer = infer(serving, metadata)
    assert list(answer.outputs[0].contents.fp32_contents) == [1.5, 1.5]
    assert serving.log()[-1]["key"] == "any"


@pytest.mark.parametrize("method", ["Predict", "Classify", "Regress", "MultiInference"])
def test_tensorflow_servings_doors_are_closed_too(
    serving: Serving, method: str
) -> None:
    request = b"no message at all"
    refused(
        UNAUTHENTICATED, "received none",
        call=lambda: serving.call(prediction.SERVICE, method, request),
    )  # fmt: skip


def test_no_key_and_a_wrong_one_are_told_apart_from_each_other(
    serving: Serving,
) -> None:
    refused(UNAUTHENTICATED, "received none", call=lambda: infer(serving))
    wrong = [("x-api-key", "guessed")]
    error = refused(
        UNAUTHENTICATED, "not known here", call=lambda: infer(serving, wrong)
    )
    assert "guessed" not in str(error)


def test_a_key_opens_its_models_alone(serving: Serving) -> None:
    refused(
        DENIED, "other", "sine, dig*", "echo",
        call=lambda: infer(serving, bearer("other")),
    )  # fmt: skip


def test_a_rate_that_is_used_up_says_when_to_come_again(serving: Serving) -> None:
    infer(serving, bearer("slow"))
    error: Any = refused(
        EXHAUSTED, "slow", "0.001 requests/s",
        call=lambda: infer(serving, bearer("slow")),
    )  # fmt: skip
    wait_s = int(dict(error.trailing_metadata())["retry-after"])
    assert 900 < wait_s <= 1000


def test_rows_count_as_rows(serving: Serving) -> None:
    infer(serving, bearer("narrow"), rows=3)
    refused(EXHAUSTED, "rows/s", call=lambda: infer(serving, bearer("narrow")))


def test_each_message_of_a_stream_is_asked(serving: Serving) -> None:
    messages = [protocol.ModelInferRequest(model_name="echo") for _ in range(2)]
    stream = serving.rpc(inference.SERVICE, "ModelStreamInfer")
    answers = list(stream(iter(messages), timeout=30))
    assert ["received none" in each.error_message for each in answers] == [True] * 2


def test_what_computes_nothing_stays_open(serving: Serving) -> None:
    live = protocol.ServerLiveRequest()
    assert serving.call(inference.SERVICE, "ServerLive", live).live
    request = protocol.ModelMetadataRequest(name="echo")
    assert serving.call(inference.SERVICE, "ModelMetadata", request).name == "echo"


def test_administration_asks_for_its_token_and_takes_no_key(serving: Serving) -> None:
    request = load_module(MANAGEMENT).ReloadConfigRequest()
    refused(
        DENIED, "SERVERY_ADMIN_TOKEN",
        call=lambda: serving.call(
            model_service.SERVICE, "HandleReloadConfigRequest", request,
            metadata=bearer("any"),
        ),
    )  # fmt: skip

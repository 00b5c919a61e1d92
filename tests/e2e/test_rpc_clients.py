"""Unmodified clients of other servers against the real service."""

from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from service.contract.tensor_proto import to_array, to_proto
from service.contract.tensorflow_protos import load_module
from tests.e2e.conftest import DIGITS_VERSIONS, SAMPLE
from tests.e2e.server import Server, until
from tests.rpc.clients import run_client
from tests.rpc.serving import refused

APIS = "tensorflow_serving.apis"


@pytest.fixture
def address(server: Server) -> str:
    """Where the real service answers gRPC."""
    return f"127.0.0.1:{server.grpc_port}"


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as opened:
        yield opened


def test_tritonclient_finds_everything_it_knows(server: Server, address: str) -> None:
    assert run_client("triton_grpc", address, str(SAMPLE)) == "passed\n"
    path = "/inference.GRPCInferenceService/ModelInfer"
    logged = {"message": "request", "path": path, "request_id": "by-triton"}
    until(lambda: bool(server.log_lines(**logged)))


def test_tensorflow_servings_stubs_predict(channel: grpc.Channel) -> None:
    messages = load_module(f"{APIS}.predict_pb2")
    stub = load_module(f"{APIS}.prediction_service_pb2_grpc").PredictionServiceStub(
        channel
    )
    with np.load(SAMPLE) as data:
        images, labels = data["images"][:8], data["labels"][:8]
    request = messages.PredictRequest()
    request.model_spec.name = "digits"
    request.model_spec.signature_name = "serving_default"
    request.model_spec.version.value = 1
    request.inputs["images"].CopyFrom(to_proto(images, "uint8"))
    request.output_filter.append("probabilities")
    response = stub.Predict(request, timeout=30)
    assert (to_array(response.outputs["probabilities"]).argmax(1) == labels).all()
    assert response.model_spec.version.value == 1
    request.model_spec.version_label = "stable"
    refused(grpc.StatusCode.NOT_FOUND, "stable", call=lambda: stub.Predict(request))


def test_tensorflow_servings_stubs_describe(channel: grpc.Channel) -> None:
    messages = load_module(f"{APIS}.get_model_metadata_pb2")
    stub = load_module(f"{APIS}.prediction_service_pb2_grpc").PredictionServiceStub(
        channel
    )
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "digits"
    signatures = messages.SignatureDefMap()
    stub.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    assert "images" in signatures.signature_def["serving_default"].inputs


def test_tensorflow_servings_stubs_ask_for_the_status(channel: grpc.Channel) -> None:
    messages = load_module(f"{APIS}.get_model_status_pb2")
    service = load_module(f"{APIS}.model_service_pb2_grpc").ModelServiceStub(channel)
    request = messages.GetModelStatusRequest()
    request.model_spec.name = "digits"
    versions = service.GetModelStatus(request).model_version_status
    assert {each.version for each in versions} == set(DIGITS_VERSIONS)
    states = {each.state for each in versions}
    assert states == {messages.ModelVersionStatus.AVAILABLE}
    reload = load_module(f"{APIS}.model_management_pb2").ReloadConfigRequest()
    refused(
        grpc.StatusCode.PERMISSION_DENIED,
        call=lambda: service.HandleReloadConfigRequest(reload),
    )


def test_a_port_that_is_taken_is_said_before_anything_starts(address: str) -> None:
    from click.testing import CliRunner

    from service.cli import cli

    port = address.rpartition(":")[2]
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--grpc-port", port])
    assert result.exit_code == 1
    assert f"cannot listen on {address} for gRPC" in result.output

"""Metrics, docs and administration on a port of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from click.testing import CliRunner

from service.cli import cli
from service.rpc.generated import open_inference_pb2 as protocol
from tests.certificates import Authority
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.server import Server, free_port, until

pytestmark = pytest.mark.slow  # for its service

TOKEN = "only-for-this-test-2b91"
BODY = {"record": {"x": 0.5}}
OPERATORS = [
    "/metrics",
    "/docs",
    "/docs/start.js",
    "/openapi.json",
    "/",
    "/page/app.js",
]
BOTH = ["/livez", "/readyz", "/v1/models", "/v2/health/ready", "/v2/models/stats"]
ADMINISTRATION = ["/v1/admin/reload", "/v2/repository/models/sine/load"]


@pytest.fixture(scope="module", params=["http", "https"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("models")
    (folder / "sine").symlink_to(ARTIFACTS / "sine", target_is_directory=True)
    settings: dict[str, Any] = {}
    if request.param == "https":
        ca = Authority(tmp_path_factory.mktemp("ca"))
        pair = ca.sign("servery")
        settings = {"tls_certificate": pair.certificate, "tls_key": pair.key}
        settings["trusted"] = ca.trusted()
    with Server(
        tmp_path_factory.mktemp("log") / "log",
        artifacts=folder,
        admin_port=free_port(),
        admin_token=TOKEN,
        grpc_port=free_port(),
        http_processes=2,
        **settings,
    ) as started:
        started.wait_ready()
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="module")
def operators(server: Server) -> Iterator[httpx.Client]:
    """Whoever asks the other port."""
    with httpx.Client(
        base_url=f"{server.url.rpartition(':')[0]}:{server.admin_port}",
        headers={"authorization": f"Bearer {TOKEN}"},
        verify=server.trusted,
        timeout=30,
    ) as client:
        yield client


def test_what_is_the_operators_answers_on_their_port_alone(
    server: Server, operators: httpx.Client
) -> None:
    for path in OPERATORS:
        answer = server.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert "lists what is" not in answer.json()["error"]
        assert operators.get(path).status_code == 200, path
    shown = {"authorization": f"Bearer {TOKEN}"}
    for path in ADMINISTRATION:
        answer = server.client.post(path, headers=shown)
        assert answer.status_code == 404, path
        assert server.client.options(path).status_code == 404, path
        assert operators.post(path).status_code == 200, path


def test_all_else_answers_on_both(server: Server, operators: httpx.Client) -> None:
    for client in (server.client, operators):
        for path in BOTH:
            assert client.get(path).status_code == 200, path
        assert client.post("/v1/predict/sine", json=BODY).status_code == 200


def test_metrics_there_are_of_both_ports(
    server: Server, operators: httpx.Client
) -> None:
    def asked() -> float:
        lines = operators.get("/metrics").text.splitlines()
        name = 'servery_version_requests_total{model="sine",'
        return sum(float(each.split()[-1]) for each in lines if each.startswith(name))

    before = asked()
    server.client.post("/v1/predict/sine", json=BODY)
    operators.post("/v1/predict/sine", json=BODY)
    until(lambda: asked() == before + 2)


def test_administration_is_closed_over_grpc(server: Server) -> None:
    if server.url.startswith("https"):
        pytest.skip("gRPC without TLS is enough for this")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/RepositoryModelLoad",
            protocol.RepositoryModelLoadRequest.SerializeToString,
            protocol.RepositoryModelLoadResponse.FromString,
        )
        with pytest.raises(grpc.RpcError, match="on its own port") as caught:
            call(
                protocol.RepositoryModelLoadRequest(model_name="sine"),
                metadata=[("authorization", f"Bearer {TOKEN}")],
                timeout=30,
            )
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


def test_it_says_where_they_are(server: Server) -> None:
    said = Path(server.log).read_text()
    scheme = server.url.partition(":")[0]
    assert f"documented at {scheme}://127.0.0.1:{server.admin_port}/docs" in said


def test_a_port_that_is_not_its_own_is_refused() -> None:
    given = ["serve", "--port", "8000", "--admin-port", "8000"]
    result = CliRunner().invoke(cli, given)
    assert result.exit_code == 1
    assert "expected a port of its own, received 8000" in result.output

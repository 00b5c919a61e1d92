"""TLS on the real service: its clients, an exchange under load, what breaks."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from click.testing import CliRunner

import servery
from service.cli import cli
from service.rpc.generated import open_inference_pb2 as protocol
from tests.certificates import Authority, Pair
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.server import Server, free_port, until

pytestmark = pytest.mark.slow  # for its service

READY = Path(__file__).parents[2] / "deploy/container/ready.py"
BODY = {"record": {"x": 0.5}}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca: Authority) -> Pair:
    return ca.sign("servery")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "sine").symlink_to(ARTIFACTS / "sine", target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def server(
    ca: Authority, pair: Pair, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with Server(
        tmp_path_factory.mktemp("log") / "log",
        trusted=ca.trusted(),
        artifacts=models,
        tls_certificate=pair.certificate,
        tls_key=pair.key,
        grpc_port=free_port(),
        http_processes=2,
        poll_seconds=0.1,
    ) as started:
        started.wait_ready()
        yield started
        assert started.stop() == 0


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == code, result.output
    return result.output


def is_ready(server: Server, **settings: Any) -> bool:
    """What the image's check says."""
    variables = {f"SERVERY_{key.upper()}": str(each) for key, each in settings.items()}
    variables["SERVERY_PORT"] = server.url.rpartition(":")[2]
    environment = os.environ | variables
    return not subprocess.run([sys.executable, READY], env=environment).returncode


def is_broken(server: Server) -> bool:
    return "servery_certificates_broken 1.0" in server.client.get("/metrics").text


def test_it_says_where_it_is(server: Server) -> None:
    assert server.url.startswith("https://")


def test_the_engine_which_runs_models_is_handed_no_key(server: Server) -> None:
    def has_key(pid: int) -> bool:
        held = Path(f"/proc/{pid}/fd").iterdir()
        return any("servery-certificates" in os.path.realpath(each) for each in held)

    assert all(map(has_key, server.children("web")))
    assert not has_key(server.child("engine"))


def test_our_clients_trust_whom_they_are_told(server: Server, ca: Authority) -> None:
    with servery.Client(server.url, ca=ca.certificate) as client:
        assert "sine" in {model.name for model in client.models()}
    with (
        servery.Client(server.url, retries=0) as client,
        pytest.raises(servery.ConnectionFailed, match="certificate"),
    ):
        client.models()
    with pytest.raises(servery.InvalidInput, match="ca"):
        servery.Client(server.url, ca="nowhere.pem")


def test_commands_trust_whom_they_are_told(server: Server, ca: Authority) -> None:
    known = ("--url", server.url, "--ca", str(ca.certificate))
    assert "sine" in run("models", *known)
    assert "0.4" in run("predict", "sine", '{"x": 0.5}', *known)
    assert "cannot be asked" in run("models", "--url", server.url, code=1)
    load = ("--mix", "sine", "--duration", "1s", "--warmup", "0", "--connections", "2")
    run("loadtest", "run", *known, *load, "--assert", "errors<0.1%")


def test_the_images_check_finds_it_ready(server: Server, pair: Pair) -> None:
    assert is_ready(server, tls_certificate=pair.certificate)
    assert not is_ready(server)


def test_grpc_has_the_same_certificate(server: Server, ca: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(ca.certificate.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{server.grpc_port}", credentials) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerReady",
            protocol.ServerReadyRequest.SerializeToString,
            protocol.ServerReadyResponse.FromString,
        )
        assert call(protocol.ServerReadyRequest(), timeout=30).ready


def test_a_certificate_is_exchanged_under_load_without_a_failed_request(
    server: Server, ca: Authority, pair: Pair
) -> None:
    done, failed, answered = threading.Event(), list[str](), [0, 0, 0]
    trusted = ca.trusted()

    def ask(index: int, *, keep: bool) -> None:
        options: Any = {"base_url": server.url, "verify": trusted, "timeout": 30}
        if not keep:
            options["headers"] = {"connection": "close"}
        with httpx.Client(**options) as client:
            while not done.is_set():
                try:
                    answer = client.post("/v1/predict/sine", json=BODY)
                except httpx.HTTPError as error:
                    failed.append(repr(error))
                else:
                    answered[index] += 1
                    if answer.status_code != 200:
                        failed.append(answer.text)

    callers = [
        threading.Thread(target=ask, args=(index,), kwargs={"keep": index == 0})
        for index in range(3)
    ]
    for caller in callers:
        caller.start()
    message, number = "another certificate is in force", 0

    def is_exchanged() -> bool:  # in both processes
        return len(server.log_lines(message=message)) == 2 * number

    for number in range(1, 6):
        pair.replace(ca.sign(f"servery-{number}"))
        until(is_exchanged)
    done.set()
    for caller in callers:
        caller.join()
    assert failed == []
    assert min(answered) > 0


def test_a_broken_pair_is_told_and_the_last_good_one_holds(
    server: Server, ca: Authority, pair: Pair
) -> None:
    assert not is_broken(server)
    good = pair.key.read_bytes()
    pair.key.write_bytes(ca.sign("other").key.read_bytes())
    until(lambda: is_broken(server))
    before = set(server.children("web"))
    os.kill(min(before), signal.SIGKILL)  # its successor finds broken files
    until(lambda: len(set(server.children("web")) - before) == 1)
    for _ in range(8):  # of both processes
        answer = httpx.get(f"{server.url}/livez", verify=ca.trusted(), timeout=60)
        assert answer.status_code == 200
    errors = [each["message"] for each in server.log_lines(level="error")]
    assert any("that of another one" in each for each in errors)
    pair.key.write_bytes(good)
    until(lambda: not is_broken(server))


def test_callers_must_show_a_certificate_where_that_is_asked(
    ca: Authority, models: Path, tmp_path: Path
) -> None:
    pair, me = ca.sign("mutual"), ca.sign("me")
    stranger = Authority(tmp_path, "stranger").sign("me")
    both = tmp_path / "me.pem"
    both.write_bytes(me.certificate.read_bytes() + me.key.read_bytes())
    files = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    files["tls_client_ca"] = ca.certificate
    with Server(
        tmp_path / "log", trusted=ca.trusted(me), artifacts=models, **files
    ) as server:
        server.wait_ready()
        for trusted in (ca.trusted(), ca.trusted(stranger)):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{server.url}/livez", verify=trusted)
        with servery.Client(server.url, ca=ca.certificate, certificate=both) as client:
            assert client.models()
        known = ("--url", server.url, "--ca", str(ca.certificate))
        assert "sine" in run("models", *known, "--certificate", str(both))
        assert is_ready(server, **files)
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("a.pem", "gone.key"), "SERVERY_TLS_KEY: gone.key cannot be read"),
        (
            ("a.pem", "b.key"),
            "the key of the certificate, received that of another",
        ),
        (
            ("a.key", "a.key"),
            "SERVERY_TLS_CERTIFICATE: a.key: expected certificates",
        ),
        (("a.pem", None), "SERVERY_TLS_KEY: expected a file in PEM, received none"),
    ],
    ids=["missing", "mismatch", "no certificate", "no key"],
)
def test_nothing_starts_with_files_that_cannot_be_taken(
    tmp_path: Path,
    files: tuple[str, str | None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = Authority(tmp_path)
    for name in ("a", "b"):
        Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key").replace(
            authority.sign(name)
        )
    monkeypatch.chdir(tmp_path)
    words = ["serve", "--port", "0", "--tls-certificate", files[0]]
    words += ["--tls-key", files[1]] if files[1] else []
    assert message in run(*words, code=1)

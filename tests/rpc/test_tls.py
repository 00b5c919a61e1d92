"""TLS on gRPC's port."""

import socket
from pathlib import Path

import grpc
import pytest

from service.rpc import inference
from service.rpc.generated import open_inference_pb2 as protocol
from tests.certificates import Authority, Pair
from tests.rpc.serving import FakeEngine, Serving, make_engine

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    return make_engine(tmp_path_factory.mktemp("echo"))


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def is_live(serving: Serving, channel: grpc.Channel) -> bool:
    request = protocol.ServerLiveRequest()
    call = serving.rpc(inference.SERVICE, "ServerLive", channel)
    return bool(call(request, timeout=10).live)


def trusting(
    serving: Serving, ca: Authority, shown: Pair | None = None
) -> grpc.Channel:
    mine = (shown.key.read_bytes(), shown.certificate.read_bytes()) if shown else ()
    credentials = grpc.ssl_channel_credentials(ca.certificate.read_bytes(), *mine)
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.secure_channel(serving.address, credentials, options)


def is_refused(serving: Serving, channel: grpc.Channel) -> bool:
    with channel, pytest.raises(grpc.RpcError) as caught:
        is_live(serving, channel)
    error = caught.value
    assert isinstance(error, grpc.Call)
    return error.code() is UNAVAILABLE


def test_who_trusts_us_is_answered_and_who_speaks_in_the_clear_is_not(
    engine: FakeEngine, ca: Authority
) -> None:
    pair = ca.sign("servery")
    serving = Serving(engine, tls_certificate=pair.certificate, tls_key=pair.key)
    with trusting(serving, ca) as channel:
        assert is_live(serving, channel)
    assert is_refused(serving, serving.connect())
    serving.close()


def test_another_certificate_holds_for_new_connections_alone(
    engine: FakeEngine, tmp_path: Path
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    pair = old.sign("servery")
    serving = Serving(engine, tls_certificate=pair.certificate, tls_key=pair.key)
    with trusting(serving, old) as standing:
        assert is_live(serving, standing)
        pair.replace(new.sign("servery"))
        assert serving.state.certificates is not None
        serving.state.certificates.look()
        with trusting(serving, new) as channel:
            assert is_live(serving, channel)
        assert is_refused(serving, trusting(serving, old))
        assert is_live(serving, standing)
    serving.close()


def test_only_who_shows_a_certificate_of_the_right_authority_is_heard(
    engine: FakeEngine, ca: Authority, tmp_path: Path
) -> None:
    pair, other = ca.sign("servery"), Authority(tmp_path, "other")
    files = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    serving = Serving(engine, **files, tls_client_ca=ca.certificate)
    with trusting(serving, ca, ca.sign("me")) as channel:
        assert is_live(serving, channel)
    assert is_refused(serving, trusting(serving, ca))
    assert is_refused(serving, trusting(serving, ca, other.sign("me")))
    serving.close()


def test_a_handshake_has_as_long_as_a_head(engine: FakeEngine, ca: Authority) -> None:
    pair = ca.sign("servery")
    files = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    serving = Serving(engine, **files, head_timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", serving.settings.grpc_port)) as silent:
        silent.settimeout(30)
        assert silent.recv(1) == b""
    serving.close()

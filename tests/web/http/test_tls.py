"""TLS below the connection: what held without it holds with it."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair
from tests.e2e.server import until
from tests.web.http.loopback import BIG, HOLD, Loopback, Wire, request


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(ca: Authority) -> Pair:
    return ca.sign("servery")


@pytest.fixture(scope="module")
def server(pair: Pair) -> Iterator[Loopback]:
    with secure(pair) as started:
        yield started


@pytest.fixture(scope="module")
def hasty(pair: Pair) -> Iterator[Loopback]:
    settings = {"head_timeout_s": 0.5, "keep_alive_s": 1, "unread_timeout_s": 0.5}
    with secure(pair, **settings) as started:
        yield started


def secure(pair: Pair, **settings: object) -> Loopback:
    return Loopback(tls_certificate=pair.certificate, tls_key=pair.key, **settings)


def get(path: str) -> bytes:
    return request(method="GET", path=path)


def dropped(server: Loopback, reason: str) -> float:
    return server.sample("servery_connections_dropped_total", reason=reason)


def tcp(server: Loopback) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def test_requests_in_one_go_are_answered_in_order(
    server: Loopback, ca: Authority
) -> None:
    with server.wire(ca.trusted()) as wire:
        wire.say(request(b"one") + request(b"two") + get("/hello"))
        assert [wire.hear().body["text"] for _ in range(2)] == ["one", "two"]
        assert wire.hear().body == {"hello": "world"}


def test_a_request_may_come_with_the_end_of_the_handshake(
    server: Loopback, ca: Authority
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ca.trusted().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with tcp(server) as found:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                found.sendall(outgoing.read())
                incoming.write(found.recv(65536))
        tls.write(request(b"at once"))
        found.sendall(outgoing.read())
        heard = b""
        while b"at once" not in heard:
            incoming.write(found.recv(65536))
            try:
                heard += tls.read(65536)
            except ssl.SSLWantReadError:
                continue


def test_a_large_body_and_a_large_answer_come_whole(
    server: Loopback, ca: Authority
) -> None:
    with server.wire(ca.trusted()) as wire:
        assert wire.say(request(b"x" * 3_000_000)).hear().body["bytes"] == 3_000_000
        for _ in range(3):
            assert wire.say(request(path=BIG)).hear().body == b"x" * 8_000_000


def test_who_speaks_without_tls_is_hung_up_on(server: Loopback) -> None:
    before = dropped(server, "handshake")
    with server.wire() as wire:
        assert wire.say(get("/hello")).is_closed()
    until(lambda: dropped(server, "handshake") == before + 1)
    until(lambda: len(server.connections) == 0)


def test_a_handshake_has_as_long_as_a_head(hasty: Loopback) -> None:
    with tcp(hasty) as silent, tcp(hasty) as slow:
        slow.sendall(b"\x16\x03\x01\x02\x00")  # the head of a record that does not come
        assert Wire.hangs_up(silent)
        assert Wire.hangs_up(slow)
    assert dropped(hasty, "slow_handshake") >= 2
    until(lambda: len(hasty.connections) == 0)


def test_who_shakes_hands_counts_and_makes_room(pair: Pair, ca: Authority) -> None:
    with secure(pair, max_connections=2) as server:
        with tcp(server) as first, tcp(server):
            until(lambda: len(server.connections) == 2)
            with server.wire(ca.trusted()) as new:
                assert new.say(get("/hello")).hear().status == 200
            assert Wire.hangs_up(first)
            assert dropped(server, "crowded") == 1
        until(lambda: len(server.connections) == 0)


def test_many_who_come_at_once_do_not_all_take_the_place_of_one(pair: Pair) -> None:
    with secure(pair, max_connections=2) as server, ExitStack() as stack:
        server.stand_still(0.3)
        for _ in range(20):
            stack.enter_context(tcp(server))
        until(lambda: dropped(server, "crowded") + dropped(server, "too_many") == 18)
        until(lambda: len(server.connections) == 2)


def test_the_idle_make_room_at_once_and_who_finds_none_is_hung_up_on(
    pair: Pair, ca: Authority
) -> None:
    with secure(pair, max_connections=2) as server:
        with server.wire(ca.trusted()) as idle, server.wire(ca.trusted()) as busy:
            busy.say(request(path=HOLD))
            until(lambda: server.state.accounting.in_flight == 1)
            with server.wire(ca.trusted()) as new:  # `idle` does not answer our end
                new.say(request(path=HOLD))
                until(lambda: server.state.accounting.in_flight == 2)
                with tcp(server) as late:
                    assert Wire.hangs_up(late)
                assert dropped(server, "too_many") == 1
                server.free()
                assert all(each.hear().status == 200 for each in (busy, new))
            assert idle.is_closed()
        until(lambda: len(server.connections) == 0)


def test_a_head_that_does_not_end_in_time_is_answered_408(
    hasty: Loopback, ca: Authority
) -> None:
    with hasty.wire(ca.trusted()) as wire:
        assert wire.say(get("/hello")[:-2]).hear().status == 408
        wire.socket.close()
    with hasty.wire(ca.trusted()) as wire:
        assert wire.is_closed()


def test_who_never_reads_is_dropped(hasty: Loopback, ca: Authority) -> None:
    with hasty.wire(ca.trusted()) as wire:
        wire.say(request(path=BIG))
        until(lambda: hasty.connections.unsent_bytes > 1_000_000)
        until(lambda: dropped(hasty, "unread") == 1)
    until(lambda: hasty.connections.unsent_bytes == 0)


def test_who_reads_a_little_is_no_exception(pair: Pair, ca: Authority) -> None:
    with secure(pair) as server, server.wire(ca.trusted()) as wire:
        wire.say(request(path=BIG))
        until(lambda: server.connections.unsent_bytes > 1_000_000)
        for _ in range(20):
            wire.socket.recv(10_000)
        assert server.connections.unsent_bytes > 1_000_000


def test_a_refused_sender_may_finish_and_read_why(
    server: Loopback, ca: Authority
) -> None:
    long = request(b"", "Content-Length: 99999999", length=False)
    with server.wire(ca.trusted()) as wire:
        wire.say(long, *[b"x" * 100_000] * 20)
        assert wire.hear().status == 413


def test_a_caller_that_hangs_up_is_noticed_while_it_waits(
    server: Loopback, ca: Authority
) -> None:
    with server.wire(ca.trusted()) as wire:
        wire.say(request(path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
    until(lambda: server.state.accounting.in_flight == 0)
    with server.wire(ca.trusted()) as wire:
        wire.say(request(path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        assert isinstance(wire.socket, ssl.SSLSocket)
        wire.socket.unwrap()  # the end of TLS alone
        until(lambda: server.state.accounting.in_flight == 0)


def test_the_end_of_the_server_waits_for_answers_and_for_nothing_else(
    pair: Pair, ca: Authority
) -> None:
    with (
        secure(pair) as server,
        server.wire(ca.trusted()) as held,
        server.wire(ca.trusted()) as idle,
        tcp(server) as silent,
    ):
        held.say(request(b"seven", path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        server.server.should_exit = True
        assert idle.is_closed()
        assert Wire.hangs_up(silent)
        server.free()
        heard = held.hear()
        assert (heard.status, heard.headers["connection"]) == (200, "close")


def test_another_certificate_holds_for_new_connections_alone(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    pair = old.sign("servery")
    with secure(pair) as server, server.wire(old.trusted()) as standing:
        pair.replace(new.sign("servery"))
        assert server.state.certificates is not None
        server.state.certificates.look()
        assert standing.say(get("/hello")).hear().status == 200
        with server.wire(new.trusted()) as wire:
            assert wire.say(get("/hello")).hear().status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            server.wire(old.trusted())


def test_only_who_shows_a_certificate_of_the_right_authority_is_heard(
    pair: Pair, ca: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    with secure(pair, tls_client_ca=ca.certificate) as server:
        with server.wire(ca.trusted(ca.sign("me"))) as wire:
            assert wire.say(get("/hello")).hear().status == 200
        for shown in (None, other.sign("me")):
            with server.wire(ca.trusted(shown)) as wire:  # in TLS 1.3 told afterwards
                assert wire.is_closed()
        until(lambda: dropped(server, "handshake") == 2)

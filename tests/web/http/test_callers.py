"""No caller takes all places: what one may have is of what others leave."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.access.editing import add_key
from service.access.keys import ApiKey, hash_key
from service.web.http.forwarded import network_of
from tests.e2e.server import until
from tests.web.http.loopback import ECHO, HOLD, Loopback, Wire, request
from tests.web.http.test_connection import refused

GREEDY, MODEST = "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2"
PLACES = 10  # of which one caller may have eight
PROXY = {"max_in_flight": PLACES, "forwarded_allow_ips": "127.0.0.1"}


@contextmanager
def held(server: Loopback, header: str, number: int) -> Iterator[list[Wire]]:
    """Connections of one caller, a request on each of which waits for its answer."""
    with ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in range(number)]
        before = server.state.accounting.in_flight
        for wire in wires:
            wire.say(request(b"held", header, path=HOLD))
        until(lambda: server.state.accounting.in_flight == before + number)
        yield wires
        server.free()
        assert [wire.hear().status for wire in wires] == [200] * number


def test_a_greedy_caller_is_refused_where_a_modest_one_is_not() -> None:
    with Loopback(**PROXY) as server, held(server, GREEDY, 8), server.wire() as wire:
        said = (request(b"x", GREEDY), request(b"x", GREEDY, path=f"{ECHO}?a=b"))
        for each in said:
            heard = wire.say(each).hear()
            assert (heard.status, heard.body["code"]) == (503, "unavailable")
            assert heard.headers["retry-after"] == "1"
        assert wire.say(request(b"x", MODEST)).hear().status == 200
        head = request(b"", GREEDY, "Content-Length: 500000", length=False)
        assert refused(server, head) == (503, "unavailable")


def test_places_that_are_given_back_are_nobodys() -> None:
    with Loopback(**PROXY) as server:
        with held(server, GREEDY, 8):
            pass
        server.call(server.release.clear)
        with held(server, MODEST, 8), server.wire() as wire:
            assert wire.say(request(b"x", GREEDY)).hear().status == 200
        assert server.state.accounting.places.held == 0


def test_where_keys_are_shown_they_are_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    for name in ("greedy", "modest"):
        add_key(path, name, ApiKey(sha256=hash_key(name.encode()).hex()))
    with (
        Loopback(api_keys=path, max_in_flight=PLACES) as server,
        held(server, "X-API-Key: greedy", 8),
        server.wire() as wire,
    ):
        heard = wire.say(request(b"x", "X-API-Key: greedy")).hear()
        assert (heard.status, heard.body["code"]) == (503, "unavailable")
        assert wire.say(request(b"x", "X-API-Key: modest")).hear().status == 200


def test_bodies_of_one_caller_leave_room_for_those_of_others() -> None:
    head = [request(b"", each, "Content-Length: 400000", length=False)
            for each in (GREEDY, MODEST)]  # fmt: skip
    with (
        Loopback(**PROXY, max_buffered_body_bytes=400_000) as server,
        server.wire() as slow,
    ):
        slow.say(head[0], b"x" * 330_000)
        until(lambda: server.connections.bodies.held == 330_000)
        assert refused(server, head[0]) == (503, "unavailable")
        with server.wire() as other:
            other.say(head[1], b"x" * 60_000)
            until(lambda: server.connections.bodies.held == 390_000)
        slow.say(b"x" * 70_000)
        assert slow.hear().status == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
        ("", ""),
        ("a:" * 99, "a:" * 32),
    ],
)
def test_an_address_stands_for_a_caller(address: str, network: str) -> None:
    assert network_of(address) == network

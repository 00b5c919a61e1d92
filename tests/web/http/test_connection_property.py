"""After any bytes on any number of connections, nothing is left of them."""

import random
import resource
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from service.web.http import connection
from service.web.http.record import RequestRecord
from tests.web.http.loopback import ECHO, SOON, Loopback, chunked, request

IN_A_ROW = 12  # on a connection
MEMORY_BYTES = 200_000_000
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by RST
SEEDS = (
    request(b"seven"),
    request(b"x" * 70_000),
    request(chunked(b"se", b"ven"), "Transfer-Encoding: chunked", length=False),
    request(b"seven", "Expect: 100-continue"),
    request(b"seven", "Upgrade: h2c", "Connection: Upgrade"),
    request(b"seven", path=f"{ECHO}?a=b"),
    request(b"seven", path=SOON),
    request(b"{}", "Content-Type: application/json", path="/named/x"),
    request(method="GET", path="/hello"),
    request(method="HEAD", path="/hello"),
    request(method="GET", path="/stream"),
    request(method="OPTIONS", path="*"),
)
LAST = (  # after which nothing is answered
    request(b"", "Content-Length: 900000000", length=False),
    request(b"seven", "Connection: close"),
    request(b"seven", version="1.0"),
    request(b"seven", host=None),
)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with every request that begins."""
    begun: list[None] = []

    class Counted(RequestRecord):
        __slots__ = ()

        def __init__(self, *args: Any):
            begun.append(None)
            super().__init__(*args)

    monkeypatch.setattr(connection, "RequestRecord", Counted)
    return begun


def mutate(rng: random.Random, said: bytes) -> bytes:
    """Change a request in one of the ways in which they go wrong."""
    place, other = sorted((rng.randrange(len(said)), rng.randrange(len(said))))
    match rng.randrange(8):
        case 0:
            return said[:place] + rng.randbytes(1) + said[place + 1 :]
        case 1:
            return said[:place] + rng.randbytes(rng.randrange(1, 9)) + said[place:]
        case 2:
            return said[:place] + said[other:]
        case 3:
            return said[:other] + said[place:]
        case 4:
            return said[:place]
        case 5:
            return said.replace(b"\r\n", b"\n", rng.randrange(3))
        case 6:
            return said.replace(b"\r\n", b"\r\n" + said[place:other], 1)
        case _:
            return rng.randbytes(rng.randrange(1, 60))


def conversation(rng: random.Random) -> bytes:
    """Some requests in a row, most of them whole."""
    said = rng.choices(SEEDS, k=IN_A_ROW)
    if rng.random() < 0.6:
        place = rng.randrange(IN_A_ROW)
        said[place] = mutate(rng, said[place])
    elif rng.random() < 0.5:
        said[rng.randrange(IN_A_ROW)] = rng.choice(LAST)
    return b"".join(said)


def pieces(rng: random.Random, said: bytes) -> Iterator[bytes]:
    while said:
        size = rng.choice((1, 10, 100, 10_000, len(said), len(said)))
        yield said[:size]
        said = said[size:]


def talk(rng: random.Random, port: int, said: bytes) -> None:
    """Say it, in pieces, and leave in one of the ways in which callers leave."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        try:
            for piece in pieces(rng, said):
                wire.sendall(piece)
            way = rng.randrange(4)
            if way == 0:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif way == 1:
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(1_000_000):
                    pass
            elif way == 2:
                wire.recv(rng.choice((1, 100, 100_000)))
        except OSError:
            pass  # we are hung up on, which is an answer too


@pytest.mark.parametrize(
    ("seed", "requests"), [(1, 4_000), pytest.param(2, 20_000, marks=pytest.mark.slow)]
)
def test_nothing_is_left_of_any_bytes(
    seed: int, requests: int, records: list[None]
) -> None:
    rng = random.Random(seed)
    settings = {"max_in_flight": 4, "head_timeout_s": 1, "body_grace_s": 0.5}
    with Loopback(**settings, timeout_ms=1000) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        while len(records) < requests:
            talk(rng, server.port, conversation(rng))
        end = time.monotonic() + 30
        while len(server.connections) and time.monotonic() < end:
            time.sleep(0.05)
        assert len(server.connections) == 0
        assert server.state.accounting.in_flight == 0
        assert server.connections.bodies.held == server.connections.unsent_bytes == 0
        counted = server.total("servery_request_seconds_count")
        logged = sum(len(each.get("request_ids", "1")) for each in server.log.lines)
        assert counted == logged == len(records)
        assert all(each["status"] for each in server.log.lines)
        with server.wire() as wire:
            assert wire.say(request(b"seven")).hear().body["text"] == "seven"
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert after - before < MEMORY_BYTES

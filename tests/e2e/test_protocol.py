"""HTTP as clients really speak it, on bare sockets: in pieces, in one go, half done."""

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.server import Server, until

PATH = "/v1/predict/digits"
ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    status: int
    headers: Message
    body: Any


class Wire:
    """One connection, on which anything can be said."""

    def __init__(self, server: Server):
        url = urlsplit(server.url)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=30)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def hear(self) -> Heard:
        """The next answer, to its end and no further."""
        status = int(self._file.readline().split()[1])
        lines = []
        while (line := self._file.readline()) not in (b"\r\n", b""):
            lines.append(line)
        headers = BytesHeaderParser().parsebytes(b"".join(lines))
        body = self._file.read(int(headers["content-length"] or 0))
        kind = headers["content-type"] or ""
        return Heard(status, headers, json.loads(body) if "json" in kind else body)

    def is_closed(self) -> bool:
        return self._file.read(1) == b""


def post(body: bytes, *headers: str, path: str = PATH, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", *headers]
    lines.append("Content-Type: image/png")
    if "Transfer-Encoding: chunked" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def digit(heard: Heard) -> int:
    assert heard.status == 200, heard.body
    assert heard.headers["x-request-id"]
    assert heard.headers["server-timing"].startswith("decode;dur=")
    value: int = heard.body["predictions"][0]["digit"]
    return value


def test_requests_in_one_go_are_answered_in_order(server: Server, seven: bytes) -> None:
    with Wire(server) as wire:
        named = [post(seven, f"X-Request-ID: request-{n}") for n in range(5)]
        wire.say(b"".join(named) + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers = [wire.hear() for _ in named]
        assert [digit(each) for each in answers] == [7] * 5
        ids = [each.headers["x-request-id"] for each in answers]
        assert ids == [f"request-{n}" for n in range(5)]
        assert wire.hear().body == {"status": "alive"}


def test_a_request_may_come_byte_by_byte(server: Server, seven: bytes) -> None:
    request = post(seven)
    with Wire(server) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.say(*(request[n : n + 1] for n in range(len(request))))
        assert digit(wire.hear()) == 7
        wire.say(request)
        assert digit(wire.hear()) == 7


@pytest.mark.parametrize(
    ("headers", "version"),
    [(["Connection: close"], "1.1"), ([], "1.0"), (["Connection: keep-alive"], "1.0")],
    ids=["close", "1.0", "1.0-keep-alive"],
)
def test_who_wants_the_connection_closed_gets_it_closed(
    server: Server, seven: bytes, headers: list[str], version: str
) -> None:
    with Wire(server) as wire:
        wire.say(post(seven, *headers, version=version))
        answer = wire.hear()
        assert digit(answer) == 7
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()


def test_a_body_in_chunks_and_one_that_waits_are_read(
    server: Server, seven: bytes
) -> None:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(seven), seven)
    waiting = post(seven, "Expect: 100-continue")
    with Wire(server) as wire:
        wire.say(post(chunked, "Transfer-Encoding: chunked"))
        assert digit(wire.hear()) == 7
        wire.say(waiting.removesuffix(seven))
        assert wire.hear().status == 100
        wire.say(seven)
        assert digit(wire.hear()) == 7


def test_a_query_makes_no_difference(server: Server, seven: bytes) -> None:
    with Wire(server) as wire:
        wire.say(post(seven), post(seven, path=f"{PATH}?version=1"))
        short, long = wire.hear(), wire.hear()
    assert short.body == long.body
    assert set(short.headers.keys()) == set(long.headers.keys())


def test_nonsense_is_told_so_and_harms_nobody(server: Server, seven: bytes) -> None:
    with Wire(server) as wire:
        wire.say(post(seven, "Content-Length: 5"))
        assert wire.hear().status == 400
    with Wire(server) as wire:
        wire.say(post(seven))
        assert digit(wire.hear()) == 7


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with room for one request."""
    folder = tmp_path_factory.mktemp("narrow")
    shutil.copytree(ARTIFACTS / "digits" / "1", folder / "artifacts" / "digits" / "1")
    settings = {"artifacts": folder / "artifacts", "max_in_flight": 1}
    with Server(folder / "log", http_processes=1, **settings) as started:
        started.wait_ready()
        yield started


def test_one_too_many_is_refused_and_welcome_later(
    narrow: Server, seven: bytes
) -> None:
    request = post(seven)
    with Wire(narrow) as slow, Wire(narrow) as wire:
        slow.say(request[:-1])
        until(lambda: "in_flight 1.0" in narrow.client.get("/metrics").text)
        whole, query = post(seven), post(seven, path=f"{PATH}?version=1")
        for pieces in (
            [whole],
            [whole[:60], whole[60:]],
            [whole[:-9], whole[-9:]],
            [query],
        ):
            for piece in pieces:
                wire.say(piece)
                sleep(0.05)  # so that it comes by itself: any order is right
            refused = wire.hear()
            assert (refused.status, refused.body["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "1"
            assert refused.body["request_id"] == refused.headers["x-request-id"]
        assert narrow.client.get("/readyz").status_code == 200
        slow.say(request[-1:])
        assert digit(slow.hear()) == 7
        wire.say(request)
        assert digit(wire.hear()) == 7
    text = narrow.client.get("/metrics").text
    assert f'request_seconds_count{{model="",route="{PATH}",status="503"}} 4.0' in text


def test_half_a_request_takes_no_room_once_its_caller_is_gone(
    narrow: Server, seven: bytes
) -> None:
    with Wire(narrow) as gone:
        gone.say(post(seven, "X-Request-ID: half")[:-1])
        until(lambda: "in_flight 1.0" in narrow.client.get("/metrics").text)
    until(lambda: bool(narrow.log_lines(request_id="half", status=499)))
    with Wire(narrow) as wire:
        wire.say(post(seven))
        assert digit(wire.hear()) == 7

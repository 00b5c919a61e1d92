"""HTTP as clients really speak it, on bare sockets: in pieces, in one go, half done."""

import gzip
import json
import os
import re
import shutil
import signal
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.e2e.conftest import NEWEST_DIGITS
from tests.e2e.server import Server, settle, until

pytestmark = pytest.mark.slow

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
        wire.say(post(seven), post(seven, path=f"{PATH}?version={NEWEST_DIGITS}"))
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


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """The engine does nothing meanwhile, so that requests stay under way."""
    engine = server.child("engine")
    os.kill(engine, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(engine, signal.SIGCONT)


def test_one_too_many_is_refused_and_welcome_later(
    narrow: Server, seven: bytes
) -> None:
    request = post(seven)
    with Wire(narrow) as held, Wire(narrow) as wire:
        with stopped(narrow):
            held.say(request)
            until(lambda: "in_flight 1.0" in narrow.client.get("/metrics").text)
            whole, query = post(seven), post(seven, path=f"{PATH}?version=2")
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
        assert digit(held.hear()) == 7
        wire.say(request)
        assert digit(wire.hear()) == 7
    settle()
    text = narrow.client.get("/metrics").text
    assert f'request_seconds_count{{model="",route="{PATH}",status="503"}} 4.0' in text


def test_half_a_request_takes_no_place(narrow: Server, seven: bytes) -> None:
    with Wire(narrow) as half, Wire(narrow) as wire:
        half.say(post(seven, "X-Request-ID: half")[:-1])
        for _ in range(3):
            wire.say(post(seven))
            assert digit(wire.hear()) == 7
    until(lambda: bool(narrow.log_lines(request_id="half", status=499)))


def test_two_requests_and_a_bad_byte_leave_no_place_taken(
    narrow: Server, seven: bytes
) -> None:
    for _ in range(20):
        with Wire(narrow) as wire:
            wire.say(post(seven) * 2 + b"\x00")
            assert wire.hear().status in {200, 503}
    until(lambda: "in_flight 0.0" in narrow.client.get("/metrics").text)
    with Wire(narrow) as wire:
        wire.say(post(seven))
        assert digit(wire.hear()) == 7


def test_an_upgrade_is_ignored_and_the_body_kept(server: Server, seven: bytes) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    with Wire(server) as wire:
        wire.say(post(seven, *upgrade, "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk"))
        assert digit(wire.hear()) == 7


def test_who_ends_its_side_gets_its_answer(server: Server, seven: bytes) -> None:
    with Wire(server) as wire:
        wire.say(post(seven))
        wire.socket.shutdown(socket.SHUT_WR)
        assert digit(wire.hear()) == 7
        assert wire.is_closed()


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/v1/models", "/metrics", "/docs", "/openapi.json"]
)
def test_head_is_answered_where_get_is(server: Server, path: str) -> None:
    full, bare = server.client.get(path), server.client.head(path)
    assert (bare.status_code, bare.content) == (full.status_code, b"")
    assert bare.headers["content-type"] == full.headers["content-type"]


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": lambda data: zlib.compress(data, wbits=-15),
}


@pytest.mark.parametrize("coding", PACK)
def test_a_compressed_body_is_read(server: Server, seven: bytes, coding: str) -> None:
    pack, name = PACK[coding], coding.rpartition(" ")[2]
    with Wire(server) as wire:
        wire.say(post(pack(seven), f"Content-Encoding: {name}"))
        assert digit(wire.hear()) == 7
        wire.say(post(pack(seven)[:-9], f"Content-Encoding: {name}"))
        assert wire.hear().status == 400
        wire.say(post(pack(bytes(50_000_000)), f"Content-Encoding: {name}"))
        assert wire.hear().status == 413
        wire.say(post(pack(seven), f"Content-Encoding: br, {name}"))
        assert wire.hear().status == 415


def test_the_service_may_stand_behind_a_prefix(tmp_path: Path) -> None:
    settings = {"root_path": "/ml", "forwarded_allow_ips": "127.0.0.0/8"}
    with Server(tmp_path / "log", artifacts=tmp_path, **settings) as behind:
        for path in ("/ml/livez", "/livez"):  # the proxy may take the prefix off
            assert behind.client.get(path).json() == {"status": "alive"}
            assert behind.client.delete(path).headers["allow"] == "GET, HEAD"
        for prefix in ("/ml", "", "/other"):
            upload = f"{prefix}/v1/predict/sentiment"
            headers = {"X-Forwarded-Prefix": prefix}
            chunks = iter([b"{}"])  # so it is judged by its head
            said = behind.client.post(upload, content=chunks, headers=headers)
            assert said.status_code in (415, 503), said.text  # it is found: no 404
            options = behind.client.options(upload, headers=headers)
            assert options.headers["allow"] == "POST"
        assert behind.client.get("/openapi.json").json()["servers"] == [{"url": "/ml"}]
        other = {"X-Forwarded-Prefix": "/other"}
        description = behind.client.get("/openapi.json", headers=other).json()
        assert description["servers"] == [{"url": "/other"}]
        page = behind.client.get("/ml/docs").text
        links = re.findall(r'(?:src|href)="((?!data:)[^"#]+)"', page)
        assert links
        for link in links:  # as a browser resolves them
            assert behind.client.get(urljoin("/ml/docs", link)).status_code == 200, link
        start = behind.client.get("/ml/docs/start.js").text
        assert 'url: "openapi.json"' in start
        assert behind.client.get(urljoin("/ml/docs", "openapi.json")).status_code == 200

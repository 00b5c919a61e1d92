"""HTTP as it is spoken and misspoken, on the real connection class and real sockets."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from service.web.http.chunked import MOST_CHUNKS
from service.web.http.forwarded import TrustedProxies
from service.web.http.head import is_whole
from tests.web.http.loopback import (
    BIG,
    ECHO,
    HOLD,
    SOON,
    Heard,
    Loopback,
    chunked,
    request,
)

MB = 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(max_body_bytes=MB) as started:
        yield started


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def refused(server: Loopback, *said: bytes, body: bool = True) -> tuple[int, str]:
    """Status and code of the error that these bytes are answered with; then a close."""
    with server.wire() as wire:
        heard = wire.say(*said).hear()
        assert heard.headers["connection"] == "close"
        assert heard.headers["x-request-id"] == heard.body["request_id"]
        assert set(heard.body) <= {"error", "code", "request_id"}
        wire.end()
        assert wire.is_closed()
        return heard.status, heard.body["code"]


def get(path: str, *headers: str, **more: Any) -> bytes:
    return request(b"", *headers, path=path, method="GET", **more)


# What is legal.


@pytest.mark.parametrize(
    "said",
    [
        request(b"seven"),
        b"\r\n\r\n" + request(b"seven"),
        request(chunked(b"se", b"ven"), "Transfer-Encoding: chunked", length=False),
        request(
            b"5;a=b\r\nseven\r\n0\r\nTrailer: x\r\n\r\n",
            "Transfer-Encoding: Chunked",
            length=False,
        ),
        request(b"seven", path=f"http://localhost{ECHO}"),
        request(b"seven", path=f"{ECHO}#fragment"),
        request(b"seven", path="/%65cho"),
        request(b"seven", host="[::1]:8000"),
        request(b"seven", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
        request(
            chunked(b"seven"),
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Transfer-Encoding: chunked",
            length=False,
        ),
        request(b"seven", version="1.0", host=None),
    ],
    ids=[
        "plain", "after empty lines", "chunked", "extensions and trailers", "absolute",
        "fragment", "percent", "IPv6", "h2c", "websocket in chunks", "HTTP/1.0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_legal_request_is_answered_however_it_is_cut(
    server: Loopback, said: bytes, size: int
) -> None:
    with server.wire() as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.say(*(said[n : n + size] for n in range(0, len(said), size)))
        heard = wire.hear()
        assert (heard.status, heard.body) == (200, {"bytes": 5, "text": "seven"})
        if b"HTTP/1.1" in said:
            wire.say(request(b"eight"))
            assert wire.hear().body["text"] == "eight"
        else:
            assert heard.headers["connection"] == "close"
            assert wire.is_closed()


def test_head_is_answered_like_get_without_its_body(server: Loopback) -> None:
    with server.wire() as wire:
        full = wire.say(get("/hello")).hear()
        wire.say(get("/hello").replace(b"GET", b"HEAD", 1))
        bare = wire.hear(has_body=False)
        wire.say(get("/missing").replace(b"GET", b"HEAD", 1))
        missing = wire.hear(has_body=False)
        assert wire.say(get("/hello")).hear().status == 200
    assert full.body == {"hello": "world"}
    assert (bare.status, missing.status) == (200, 404)
    for name in ("content-length", "content-type"):
        assert bare.headers[name] == full.headers[name]


def test_an_answer_of_unknown_length_goes_in_chunks(server: Loopback) -> None:
    with server.wire() as wire:
        assert wire.say(get("/stream")).hear().body == b"onetwothree"
        wire.say(get("/stream", version="1.0"))
        heard = wire.hear()
        assert heard.headers["transfer-encoding"] is None
        assert wire._file.read() == b"onetwothree"


def test_the_framework_gets_the_body_too(server: Loopback) -> None:
    with server.wire() as wire:
        body = json.dumps({"a": 1}).encode()
        said = request(body, "Content-Type: application/json", path="/named/x")
        assert wire.say(said).hear().body == {"x": {"a": 1}}


def test_requests_in_one_go_are_answered_in_order(server: Loopback) -> None:
    with server.wire() as wire:
        wire.say(b"".join(request(b"%d" % n) for n in range(2000)))
        assert [wire.hear().body["text"] for _ in range(2000)] == [
            str(n) for n in range(2000)
        ]


def test_who_says_no_more_gets_the_answer(server: Loopback) -> None:
    with server.wire() as wire:
        wire.say(request(b"one") + request(b"two")).end()
        assert [wire.hear().body["text"] for _ in range(2)] == ["one", "two"]
        assert wire.is_closed()


def test_a_request_before_garbage_is_answered_first(server: Loopback) -> None:
    with server.wire() as wire:
        wire.say(request(b"one") + b"\x00garbage\r\n\r\n")
        assert wire.hear().body["text"] == "one"
        heard = wire.hear()
        assert (heard.status, heard.body["code"]) == (400, "protocol_error")
        assert wire.end().is_closed()


def test_a_body_that_waits_to_be_asked_for_is_asked_for(server: Loopback) -> None:
    with server.wire() as wire:
        head = request(b"seven", "Expect: 100-continue").removesuffix(b"seven")
        assert wire.say(head).hear(has_body=False).status == 100
        assert wire.say(b"seven").hear().body["text"] == "seven"
        wire.say(request(b"seven", "Expect: 100-continue"))
        assert wire.hear().status == 200  # it did not wait: it need not be asked


def test_a_body_that_would_be_refused_is_not_asked_for(server: Loopback) -> None:
    expect = "Expect: 100-continue"
    assert refused(server, request(b"x", expect, path="/none")[:-1]) == (
        404,
        "not_found",
    )
    large = request(b"", expect, f"Content-Length: {2 * MB}", length=False)
    assert refused(server, large) == (413, "body_too_large")
    other = request(b"x", "Expect: miracles")[:-1]
    assert refused(server, other) == (417, "expectation_failed")


def test_the_server_as_a_whole_says_what_it_knows(server: Loopback) -> None:
    with server.wire() as wire:
        heard = wire.say(request(method="OPTIONS", path="*")).hear()
        assert (heard.status, heard.headers["content-length"]) == (204, None)
        assert "POST" in heard.headers["allow"]
        assert wire.say(request(b"seven")).hear().status == 200


def test_a_slash_too_many_is_not_redirected(server: Loopback) -> None:
    with server.wire() as wire:
        heard = wire.say(get("/hello/", host="evil.example")).hear()
    assert (heard.status, heard.headers["location"]) == (404, None)


@pytest.mark.parametrize("path", ["/%ff", "/%", "/%zz", "/a%0d%0ab", "/%F0%9F%98%80"])
def test_any_percent_encoding_is_a_path(server: Loopback, path: str) -> None:
    with server.wire() as wire:
        assert wire.say(get(path)).hear().status == 404


# What is not.


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "protocol_error"),
        (b"NONSENSE\r\n\r\n", 400, "protocol_error"),
        (request(method="FR@B"), 400, "protocol_error"),
        (request(method="FR\u00f6B"), 400, "protocol_error"),
        (request(method="GET\t"), 400, "protocol_error"),
        (request(method=""), 400, "protocol_error"),
        (request(method="GET", path="/ /"), 400, "protocol_error"),
        *(
            (request(method=method), 501, "method_unknown")
            for method in ("FROB", "GETX", "GE", "get", "DESCRIBE", "X-1!", "A" * 9000)
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "protocol_error"),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400, "protocol_error"),
        (get("/", "A: b\r\n c"), 400, "protocol_error"),
        (get("/", "A : b"), 400, "protocol_error"),
        (get("/\xff"), 400, "protocol_error"),
        (get("/%00"), 400, "protocol_error"),
        (get("hello"), 400, "protocol_error"),
        (get("/", version="2.0"), 505, "http_version_unknown"),
        (get("/", host=None), 400, "protocol_error"),
        (get("/", "Host: b"), 400, "protocol_error"),
        (get("/", host=""), 400, "protocol_error"),
        (get("/", host="a b"), 400, "protocol_error"),
        (get("/", host="a/b"), 400, "protocol_error"),
        (get("/", host="a@b"), 400, "protocol_error"),
        (get("/", host="a, b"), 400, "protocol_error"),
        (
            request(method="CONNECT", path="localhost:1"),
            405,
            "method_not_allowed",
        ),
        (request(b"x", "Content-Length: 1"), 400, "protocol_error"),
        (
            request(b"", f"Content-Length: {'9' * 5000}", length=False),
            400,
            "protocol_error",
        ),
        (request(b"", "Content-Length: -1", length=False), 400, "protocol_error"),
        (request(b"", "Content-Length: 1_0", length=False), 400, "protocol_error"),
        (request(b"", "Content-Length: 1, 1", length=False), 400, "protocol_error"),
        (request(b"x", "Transfer-Encoding: chunked"), 400, "protocol_error"),
        *(
            (
                request(chunked(b"x"), f"Transfer-Encoding: {coding}", length=False),
                status,
                code,
            )
            for coding, status, code in [
                ("gzip, chunked", 501, "transfer_coding_unknown"),
                ("identity, chunked", 501, "transfer_coding_unknown"),
                ("chunked, chunked", 400, "protocol_error"),
                ("chunked\r\nTransfer-Encoding: chunked", 400, "protocol_error"),
                ("gzip", 400, "protocol_error"),
                ("xchunked", 400, "protocol_error"),
            ]
        ),
        (
            request(
                chunked(b"x"),
                "Transfer-Encoding: chunked",
                length=False,
                version="1.0",
            ),
            400,
            "protocol_error",
        ),
        *(
            (
                request(wrong, "Transfer-Encoding: chunked", length=False),
                400,
                "protocol_error",
            )
            for wrong in (
                b"x\r\n",
                b"-1\r\n",
                b"1\nx\n0\n\n",
                b"1\r\nxy\r\n0\r\n\r\n",
                b"0x1\r\nx\r\n0\r\n\r\n",
                b"11111111111111111\r\n",
                b"0\r\nno trailer\r\n\r\n",
            )
        ),
    ],
)  # fmt: skip
def test_what_http_forbids_is_told_so_in_the_shape_of_all_errors(
    server: Loopback, said: bytes, status: int, code: str
) -> None:
    assert refused(server, said) == (status, code)


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "M-SEARCH"])
def test_a_method_that_a_path_lacks_is_another_thing(
    server: Loopback, method: str
) -> None:
    with server.wire() as wire:
        heard = wire.say(request(path="/hello", method=method)).hear()
        assert (heard.status, heard.body["code"]) == (405, "method_not_allowed")
        assert wire.say(request(b"seven")).hear().status == 200


@pytest.mark.parametrize("method", ["FROB", "GETX", "DESCRIBE"])
def test_a_method_that_nobody_knows_may_come_in_pieces(
    server: Loopback, method: str
) -> None:
    for size in (1, 2, 5):
        said = request(method=method)
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        assert refused(server, *pieces) == (501, "method_unknown")
    assert refused(server, b"G", b"\x01 / HTTP/1.1\r\n\r\n") == (400, "protocol_error")


def test_errors_of_the_parser_are_logged_and_counted(server: Loopback) -> None:
    name = "servery_request_seconds_count"
    labels = {"route": "malformed", "status": "400", "model": ""}
    before = server.sample(name, **labels)
    assert refused(server, b"\x00") == (400, "protocol_error")
    assert server.sample(name, **labels) == before + 1
    line = server.log.lines[-1]
    assert (line["status"], line["code"]) == (400, "protocol_error")
    assert refused(server, get("/hello", "X-Request-ID: mine", "Host: two"))
    server.sample(name)
    assert server.log.lines[-1]["request_id"] == "mine"


def test_a_fault_of_ours_is_told_in_the_same_shape(server: Loopback) -> None:
    with server.wire() as wire:
        heard = wire.say(request(path="/broken")).hear()
        assert (heard.status, heard.body["code"]) == (500, "internal")
        assert wire.say(request(b"seven")).hear().status == 200


# What costs too much.


ENDLESS = {
    "value": (b"GET /hello HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 65_535, 431),
    "name": (b"GET /hello HTTP/1.1\r\nHost: x\r\nX", b"a" * 65_535, 431),
    "url": (b"GET /", b"a" * 65_535, 414),
    "many": (b"GET /hello HTTP/1.1\r\nHost: x\r\n", b"a:b\r\n" * 13_107, 431),
    "extension": (
        request(b"5;", "Transfer-Encoding: chunked", length=False),
        b"a" * 65_535,
        431,
    ),
    "extensions": (
        request(b"", "Transfer-Encoding: chunked", length=False),
        (b"1;" + b"a" * 100 + b"\r\nx\r\n") * 1000,
        431,
    ),
    "trailer": (
        request(b"0\r\nX: ", "Transfer-Encoding: chunked", length=False),
        b"a" * 65_535,
        431,
    ),
    "trailers": (
        request(b"0\r\n", "Transfer-Encoding: chunked", length=False),
        b"a:b\r\n" * 13_107,
        431,
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_without_an_end_is_refused(server: Loopback, kind: str) -> None:
    begin, piece, status = ENDLESS[kind]
    with server.wire() as wire:
        wire.say(begin)
        with pytest.raises(OSError, match=r"timed out|reset|Broken pipe"):
            wire.socket.settimeout(5)
            for _ in range(1000):
                wire.say(piece)
    with server.wire() as wire:
        wire.say(begin, piece, piece)
        assert wire.hear().status == status


def test_heads_within_the_limits_are_read(server: Loopback) -> None:
    with server.wire() as wire:
        headers = [f"X-{n}: {'v' * 500}" for n in range(90)]
        assert wire.say(get(f"/hello?{'q' * 8000}", *headers)).hear().status == 200
    assert refused(server, get("/" + "a" * 8192)) == (414, "url_too_long")
    many = [f"X-{n}: v" for n in range(100)]
    assert refused(server, get("/hello", *many)) == (431, "head_too_large")


def test_a_body_over_the_limit_is_refused_before_it_comes(server: Loopback) -> None:
    head = request(b"", f"Content-Length: {MB + 1}", length=False)
    assert refused(server, head) == (413, "body_too_large")
    endless = request(b"", "Transfer-Encoding: chunked", length=False)
    piece = chunked(b"x" * 300_000).removesuffix(b"0\r\n\r\n")
    assert refused(server, endless, *[piece] * 4) == (413, "body_too_large")
    assert server.connections.bodies.held == 0


def test_a_chunk_over_the_limit_is_refused_before_it_comes(server: Loopback) -> None:
    head = request(b"", "Transfer-Encoding: chunked", length=False)
    assert refused(server, head, b"f" * 16 + b"\r\n") == (413, "body_too_large")


def test_an_upload_to_nowhere_is_refused_at_its_head(server: Loopback) -> None:
    head = request(b"", "Content-Length: 500000", path="/none", length=False)
    assert refused(server, head) == (404, "not_found")
    put = head.replace(b"POST /none", b"PUT /echo")
    assert refused(server, put) == (405, "method_not_allowed")


def test_a_body_in_tiny_chunks_lets_others_have_their_turn(server: Loopback) -> None:
    head = request(b"", "Transfer-Encoding: chunked", length=False)
    body = b"1\r\nx\r\n" * 250_000 + b"0\r\n\r\n"
    with server.wire() as slow, server.wire() as quick:
        heard: list[Heard] = []
        sender = threading.Thread(
            target=lambda: heard.append(slow.say(head, body).hear())
        )
        sender.start()
        answers = 0
        while sender.is_alive():
            assert quick.say(request(b"seven")).hear().status == 200
            answers += 1
        sender.join()
    assert heard[0].body["bytes"] == 250_000
    assert answers > 5  # a read of uvloop's is 8 MB, all of these: it was one or two


def test_a_body_in_endlessly_many_chunks_is_refused(server: Loopback) -> None:
    head = request(b"", "Transfer-Encoding: chunked", length=False)
    body = b"1\r\nx\r\n" * (MOST_CHUNKS + 1)
    assert refused(server, head, body) == (413, "body_too_large")


# What is one too many, or too slow.


def test_one_too_many_is_refused_cheaply_and_welcome_later() -> None:
    with Loopback(max_in_flight=1) as server, server.wire() as held:
        held.say(request(b"held", path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        with server.wire() as wire:
            for said in (request(b"x"), request(b"x", path=f"{ECHO}?a=b")):
                heard = wire.say(said).hear()
                assert (heard.status, heard.body["code"]) == (503, "unavailable")
                assert heard.headers["retry-after"] == "1"
                assert heard.headers["x-request-id"] == heard.body["request_id"]
            assert wire.say(get("/hello")).hear().status == 200
            server.free()
            assert held.hear().status == 200
            assert wire.say(request(b"x")).hear().status == 200
        labels = {"route": ECHO, "status": "503", "model": ""}
        assert server.sample("servery_request_seconds_count", **labels) == 2
        refusals = [each for each in server.log.lines if "request_ids" in each]
        assert sum(len(each["request_ids"]) for each in refusals) == 2


def test_an_upload_is_refused_at_its_head_while_there_is_no_room() -> None:
    with Loopback(max_in_flight=1) as server, server.wire() as held:
        held.say(request(b"held", path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        head = request(b"", "Content-Length: 500000", length=False)
        assert refused(server, head) == (503, "unavailable")


def test_bodies_on_their_way_take_no_place_and_have_a_limit_of_their_own() -> None:
    settings = {"max_in_flight": 1, "max_buffered_body_bytes": 300_000}
    with Loopback(**settings) as server:
        head = request(b"", "Content-Length: 400000", length=False)
        with server.wire() as slow:
            slow.say(head, b"x" * 300_000)
            until(lambda: server.connections.bodies.held == 300_000)
            with server.wire() as wire:
                assert wire.say(request(b"seven")).hear().status == 200
            assert refused(server, head) == (503, "unavailable")
            slow.say(b"x" * 100_000)
            assert slow.hear().body["bytes"] == 400_000
        until(lambda: server.connections.bodies.held == 0)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Loopback]:
    settings = {
        "head_timeout_s": 0.5,
        "keep_alive_s": 1,
        "body_grace_s": 0.5,
        "unread_timeout_s": 0.5,
        "min_body_bytes_per_s": 100_000,
    }
    with Loopback(**settings) as started:
        yield started


def dropped(server: Loopback, reason: str) -> float:
    return server.sample("servery_connections_dropped_total", reason=reason)


def test_who_never_speaks_is_hung_up_on(hasty: Loopback) -> None:
    with hasty.wire() as wire:
        assert wire.is_closed()
    with hasty.wire() as wire:
        assert wire.say(get("/hello")).hear().status == 200
        assert wire.is_closed()
    assert dropped(hasty, "idle") >= 2


def test_a_head_that_does_not_end_in_time_is_answered_408(hasty: Loopback) -> None:
    assert refused(hasty, get("/hello")[:-2]) == (408, "request_timeout")
    assert dropped(hasty, "slow_head") >= 1


def test_a_body_that_does_not_end_in_time_is_answered_408(hasty: Loopback) -> None:
    late = request(b"", "Content-Length: 9", "X-Request-Timeout-Ms: 1", length=False)
    assert refused(hasty, late) == (408, "request_timeout")


def test_a_body_that_comes_too_slowly_is_answered_408(hasty: Loopback) -> None:
    slow = request(b"", "Content-Length: 900000", length=False)
    assert refused(hasty, slow, b"x" * 1000) == (408, "request_timeout")
    assert dropped(hasty, "slow_body") >= 1


def test_who_never_reads_is_dropped(hasty: Loopback) -> None:
    with hasty.wire() as wire:
        wire.say(request(path=BIG))
        until(lambda: dropped(hasty, "unread") == 1)
    until(lambda: hasty.connections.unsent_bytes == 0)


def test_answers_that_are_not_read_have_a_limit_together() -> None:
    with Loopback(max_unsent_bytes=1_000_000) as server:
        with server.wire() as first, server.wire() as second:
            first.say(request(path=BIG))
            until(lambda: server.connections.unsent_bytes > 1_000_000)
            second.say(request(path=BIG))
            until(lambda: dropped(server, "unread") == 1)
        until(lambda: server.connections.unsent_bytes == 0)


def test_connections_have_a_limit_and_the_idle_make_room() -> None:
    with Loopback(max_connections=3) as server:
        with server.wire() as idle, server.wire() as one, server.wire() as two:
            for busy in (one, two):
                busy.say(request(path=HOLD))
            until(lambda: server.state.accounting.in_flight == 2)
            with server.wire() as new:
                assert new.say(get("/hello")).hear().status == 200
                assert idle.is_closed()
                new.say(request(path=HOLD))
                until(lambda: server.state.accounting.in_flight == 3)
                assert refused(server) == (503, "too_many_connections")
                server.free()
                assert all(each.hear().status == 200 for each in (one, two, new))
        until(lambda: len(server.connections) == 0)


def test_what_is_in_use_makes_no_room() -> None:
    with Loopback(max_connections=2) as server:
        with server.wire() as one, server.wire() as two:
            for each in (one, two):
                assert each.say(get("/hello")).hear().status == 200
            assert refused(server) == (503, "too_many_connections")
            for each in (one, two):
                assert each.say(get("/hello")).hear().status == 200
            time.sleep(1.2)
            assert two.say(get("/hello")).hear().status == 200
            with server.wire() as new:
                assert new.say(get("/hello")).hear().status == 200
            assert one.is_closed()
            assert two.say(get("/hello")).hear().status == 200
        until(lambda: len(server.connections) == 0)


@pytest.mark.parametrize("size", [5, 60_000, 500_000])
def test_who_asks_before_there_is_a_connection_hears_that_there_is_no_room(
    size: int,
) -> None:
    with Loopback(max_connections=2) as server:
        with server.wire() as one, server.wire() as two:
            for held in (one, two):
                held.say(request(path=HOLD))
            until(lambda: server.state.accounting.in_flight == 2)
            server.stand_still(0.5)
            with server.wire() as new:
                new.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
                new.say(request(b"x" * size))
                heard = new.hear()
                assert (heard.status, heard.body["code"]) == (
                    503,
                    "too_many_connections",
                )
                assert heard.headers["connection"] == "close"
                assert heard.headers["retry-after"] == "1"
                assert heard.headers["date"]
                assert heard.headers["x-request-id"] == heard.body["request_id"]
                assert new.is_closed()
            assert dropped(server, "too_many") == 1
            labels = {"reason": "too_many_connections"}
            assert server.sample("servery_rejections_total", **labels) == 1
            assert [line["code"] for line in server.log.lines] == [labels["reason"]]
            server.free()
            assert all(each.hear().status == 200 for each in (one, two))
        until(lambda: len(server.connections) == 0)


def test_who_is_refused_while_the_body_comes_can_send_it_and_hear_why() -> None:
    with Loopback(max_connections=1) as server, server.wire() as one:
        one.say(request(path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        server.stand_still(0.3)
        whole = request(b"x" * 3_000_000)
        with server.wire() as new:
            new.say(whole[:1000])
            time.sleep(0.5)
            assert new.say(whole[1000:]).hear().status == 503


@pytest.mark.parametrize(
    "said",
    [
        request(b"seven")[:-1],
        request(b"seven")[:20],
        request(b"", "Content-Length: 5", length=False),
        request(b"", "Transfer-Encoding: chunked", length=False),
        request(b"", "Content-Length: 9" + "9" * 50, length=False),
        b"",
    ],
)
def test_a_glance_tells_that_a_request_has_not_come_to_its_end(said: bytes) -> None:
    assert not is_whole(said)


@pytest.mark.parametrize(
    "said",
    [
        request(b"seven"),
        get("/hello"),
        request(b"", "content-length:0", length=False),
    ],
)
def test_a_glance_tells_that_a_request_is_whole(said: bytes) -> None:
    assert is_whole(said)


def test_those_that_are_refused_take_nobodys_room() -> None:
    with Loopback(max_connections=4, max_connections_per_address=1) as server:
        with ExitStack() as stack:
            one = stack.enter_context(server.wire())
            assert one.say(request(path=SOON)).hear().status == 200
            silent = [stack.enter_context(server.wire()) for _ in range(8)]
            assert all(each.hear().status == 503 for each in silent)  # they stay
            assert len(server.connections) == 9
            server.connections.proxies = TrustedProxies("127.0.0.1")  # another's, then
            two = stack.enter_context(server.wire())
            assert two.say(request(path=SOON)).hear().status == 200
        until(lambda: len(server.connections) == 0)


def test_where_there_is_room_again_the_idle_make_it_at_once() -> None:
    with Loopback(max_connections=2) as server, server.wire() as one:
        with server.wire() as two:
            for each in (one, two):
                assert each.say(request(path=SOON)).hear().status == 200
            assert refused(server) == (503, "too_many_connections")
        until(lambda: len(server.connections) == 1)
        with server.wire() as silent:
            until(lambda: len(server.connections) == 2)
            with server.wire() as new:
                assert new.say(request(path=SOON)).hear().status == 200
            assert silent.is_closed()


def test_connections_from_one_address_have_a_limit_of_their_own() -> None:
    with Loopback(max_connections_per_address=1) as server, server.wire() as held:
        held.say(request(path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
        assert refused(server) == (503, "too_many_connections")


def test_a_trusted_proxy_brings_as_many_connections_as_all_may_have() -> None:
    limits: dict[str, Any] = {"max_connections_per_address": 1, "max_connections": 2}
    with (
        Loopback(forwarded_allow_ips="127.0.0.1", **limits) as server,
        server.wire() as one,
        server.wire() as two,
    ):
        one.say(request(path=HOLD))
        two.say(request(path=HOLD))
        until(lambda: server.state.accounting.in_flight == 2)
        assert refused(server) == (503, "too_many_connections")


# Who is gone.


def test_a_caller_that_hangs_up_is_noticed_while_it_waits(server: Loopback) -> None:
    with server.wire() as wire:
        wire.say(request(b"", "X-Request-ID: gone", path=HOLD))
        until(lambda: server.state.accounting.in_flight == 1)
    until(lambda: server.state.accounting.in_flight == 0)
    server.sample("")
    (line,) = [each for each in server.log.lines if each.get("request_id") == "gone"]
    assert (line["status"], line["code"]) == (499, "client_disconnected")


def test_a_caller_that_is_half_gone_gets_a_late_answer() -> None:
    with Loopback() as server, server.wire() as wire:
        wire.say(request(b"seven", path=HOLD)).end()
        heard = wire.hear(has_body=False)  # it is asked whether it is still there
        assert heard.status == 100
        server.free()
        assert wire.hear().body["text"] == "seven"
        assert wire.is_closed()


def test_half_a_body_takes_nothing_once_its_caller_is_gone(server: Loopback) -> None:
    with server.wire() as wire:
        wire.say(request(b"seven", "X-Request-ID: half")[:-1])
        until(lambda: server.connections.bodies.held == 4)
    until(lambda: server.connections.bodies.held == 0)
    server.sample("")
    (line,) = [each for each in server.log.lines if each.get("request_id") == "half"]
    assert line["status"] == 499


def test_the_end_of_the_server_waits_for_answers_and_for_nothing_else() -> None:
    with (
        Loopback() as server,
        server.wire() as held,
        server.wire() as slow,
        server.wire() as idle,
    ):
        held.say(request(b"seven", path=HOLD))
        slow.say(get("/hello")[:-2])
        until(lambda: server.state.accounting.in_flight == 1)
        server.server.should_exit = True
        assert slow.hear().status == 408
        assert idle.is_closed()
        server.free()
        heard = held.hear()
        assert (heard.status, heard.headers["connection"]) == (200, "close")

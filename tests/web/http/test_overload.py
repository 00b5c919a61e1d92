"""Only what is surely one whole, plain request is refused by its raw bytes."""

import json

import pytest

from service.web.http.overload import refuse

PATH = "/v1/predict/digits"
DATE = b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"


def request(
    *headers: str, line: str = f"POST {PATH} HTTP/1.1", length: int = 5
) -> bytes:
    lines = [line, "Host: localhost", *headers, f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode() + b"seven"


def test_the_answer_has_the_one_shape_of_all_errors() -> None:
    refusal = refuse(request("X-Request-ID: mine"), {PATH}, DATE)
    assert refusal is not None
    head, _, body = refusal.answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert headers["retry-after"] == "1"
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "application/json"
    assert headers["date"].startswith("Sat")
    assert headers["x-request-id"] == "mine"
    assert json.loads(body) == {
        "error": "Too many requests are under way; try again soon.",
        "code": "unavailable",
        "request_id": "mine",
    }
    assert refusal.path == PATH


@pytest.mark.parametrize("header", ["Connection: keep-alive", "CONNECTION: Keep-Alive"])
def test_a_connection_that_is_to_be_kept_is_kept(header: str) -> None:
    assert refuse(request(header), {PATH}, b"") is not None


def test_an_id_that_is_not_safe_is_replaced() -> None:
    refusal = refuse(request("X-Request-ID: <b>"), {PATH}, b"")
    assert refusal is not None
    assert b"<b>" not in refusal.answer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        request()[:20],
        request()[:-1],
        request() + request(),
        request("Connection: close"),
        request("Expect: 100-continue"),
        request("Transfer-Encoding: chunked"),
        request("Upgrade: h2c", "Connection: upgrade"),
        request(length=6),
        request("Content-Length: 6"),
        request(line=f"GET {PATH} HTTP/1.1"),
        request(line=f"POST {PATH} HTTP/1.0"),
        request(line=f"POST {PATH}?version=1 HTTP/1.1"),
        request(line="POST /v1/predict/anything HTTP/1.1"),
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert refuse(data, {PATH}, b"") is None

"""From whose pages browsers may ask."""

from collections.abc import Iterator

import pytest

from service.settings import Settings
from tests.web.http.loopback import Heard, Loopback, request

PAGE, OTHER = "https://app.example.com", "https://evil.example"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    allowed = f"{PAGE}, http://localhost:3000"
    with Loopback(cors_origins=allowed, max_body_bytes=100) as started:
        yield started


def ask(server: Loopback, *headers: str, **form: object) -> Heard:
    with server.wire() as wire:
        return wire.say(request(b"", *headers, **form)).hear()  # type: ignore[arg-type]


def preflight(server: Loopback, origin: str) -> Heard:
    asks = f"Origin: {origin}", "Access-Control-Request-Method: POST"
    return ask(server, *asks, method="OPTIONS", path="/hello")


def test_a_page_that_is_named_may_ask_and_read(server: Loopback) -> None:
    heard = preflight(server, PAGE)
    assert heard.status == 204
    assert heard.headers[ALLOWED] == PAGE
    assert "POST" in heard.headers["access-control-allow-methods"]
    assert "authorization" in heard.headers["access-control-allow-headers"]
    heard = ask(server, f"Origin: {PAGE}")
    assert (heard.status, heard.headers[ALLOWED]) == (200, PAGE)
    assert heard.headers["access-control-expose-headers"] == "*"
    assert heard.headers["vary"] == "origin"


def test_no_other_page_may(server: Loopback) -> None:
    for origin in (OTHER, "null", f"{PAGE}.evil.example", PAGE.upper()):
        heard = preflight(server, origin)
        assert (heard.status, heard.headers[ALLOWED]) == (405, None)
        heard = ask(server, f"Origin: {origin}")
        assert (heard.headers[ALLOWED], heard.headers["vary"]) == (None, "origin")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"path": "/nowhere"}, 404),
        ({"path": "/hello"}, 405),
        ({"path": "/stream", "method": "GET"}, 200),
        ({"host": None}, 400),
    ],
    ids=["nowhere", "method", "stream", "no host"],
)
def test_every_answer_says_so(
    server: Loopback, form: dict[str, object], status: int
) -> None:
    heard = ask(server, f"Origin: {PAGE}", **form)
    assert (heard.status, heard.headers[ALLOWED]) == (status, PAGE)


def test_a_body_that_is_refused_at_its_head_says_so_too(server: Loopback) -> None:
    heard = ask(server, f"Origin: {PAGE}", "Content-Length: 101", length=False)
    assert (heard.status, heard.headers[ALLOWED]) == (413, PAGE)


def test_nothing_is_said_where_nobody_is_named() -> None:
    with Loopback() as server:
        assert preflight(server, PAGE).status == 405
        heard = ask(server, f"Origin: {PAGE}")
        assert (heard.headers[ALLOWED], heard.headers["vary"]) == (None, None)


def test_anybody_may_ask_and_nobody_with_credentials() -> None:
    with Loopback(cors_origins="*") as server:
        for heard in (preflight(server, OTHER), ask(server)):
            assert heard.headers[ALLOWED] == "*"
            assert heard.headers["access-control-allow-credentials"] is None


@pytest.mark.parametrize("origins", ["app.example.com", "https://a.b/", "null", "*.b"])
def test_what_is_no_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValueError, match="expected https"):
        Settings(cors_origins=origins)

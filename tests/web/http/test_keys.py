"""API keys on the wire: who shows none is refused, and when."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.access.editing import add_key
from service.access.keys import ApiKey, hash_key
from tests.web.http.loopback import ECHO, Loopback, chunked, request

SECRET = "the key of app"
SHOWN = f"X-API-Key: {SECRET}"
LARGE = 900_000


def add(path: Path, name: str, **limits: float) -> None:
    digest = hash_key(f"the key of {name}".encode()).hex()
    add_key(path, name, ApiKey.model_validate({"sha256": digest, **limits}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    add(path, "app")
    add(path, "once", requests_per_s=0.001)
    add(path, "large", requests_per_s=0.001)
    with Loopback(api_keys=path, max_body_bytes=1_000_000) as started:
        yield started


def test_a_key_is_asked_of_those_who_ask_models(server: Loopback) -> None:
    with server.wire() as wire:
        assert wire.say(request(b"x", SHOWN)).hear().status == 200
        assert wire.say(request(b"x")).hear().status == 401
        assert wire.say(request(path="/hello", method="GET")).hear().status == 200


def test_small_requests_are_refused_without_closing(server: Loopback) -> None:
    with server.wire() as wire:
        said = (request(b"x"), request(b"x", SHOWN), request(b"x", "X-API-Key: no"))
        wire.say(b"".join(said))
        heard = [wire.hear() for _ in said]
        assert [each.status for each in heard] == [401, 200, 401]
        assert heard[0].headers["www-authenticate"] == "Bearer"
        assert all(each.headers["connection"] is None for each in heard)


@pytest.mark.parametrize(
    "head",
    [
        request(b"", f"Content-Length: {LARGE}", length=False),
        request(b"", "Content-Length: 5", "Expect: 100-continue", length=False),
        request(b"", "Transfer-Encoding: chunked", length=False),
    ],
    ids=["large", "expected", "chunked"],
)
def test_what_would_take_long_is_refused_at_its_head(
    server: Loopback, head: bytes
) -> None:
    with server.wire() as wire:
        heard = wire.say(head).hear()
        assert heard.status == 401
        assert heard.body["code"] == "unauthenticated"
        assert heard.headers["connection"] == "close"
        wire.end()
        assert wire.is_closed()


def test_with_a_key_they_are_read(server: Loopback) -> None:
    with server.wire() as wire:
        heard = wire.say(request(b"x" * LARGE, SHOWN)).hear()
        assert heard.body["bytes"] == LARGE
        body = chunked(b"se", b"ven")
        said = request(body, SHOWN, "Transfer-Encoding: chunked", length=False)
        assert wire.say(said).hear().body["text"] == "seven"


def test_a_large_request_counts_once(server: Loopback) -> None:
    with server.wire() as wire:
        said = request(b"x" * LARGE, "Authorization: Bearer the key of large")
        assert wire.say(said).hear().status == 200


def test_a_rate_is_answered_429_and_counted_by_name(server: Loopback) -> None:
    with server.wire() as wire:
        said = request(b"x", "X-API-Key: the key of once")
        assert wire.say(said).hear().status == 200
        for _ in range(2):
            heard = wire.say(said).hear()
            assert heard.status == 429
            assert heard.body["code"] == "rate_exceeded"
            assert int(heard.headers["retry-after"]) > 900
    for outcome, number in (("ok", 1), ("limited", 2)):
        found = server.sample("servery_key_requests_total", key="once", outcome=outcome)
        assert found == number
    lines = [each for each in server.log.lines if each["key"] == "once"]
    assert [each["status"] for each in lines] == [200, 429, 429]


def test_a_path_that_only_looks_alike_is_none_of_a_model(server: Loopback) -> None:
    with server.wire() as wire:
        for path in (f"{ECHO}%0A", f"{ECHO}/", f"/{ECHO}"):
            assert wire.say(request(b"x", path=path)).hear().status == 404

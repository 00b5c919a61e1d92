"""Whose word is taken for where a request came from."""

from typing import Any

import pytest

from service.web.http.forwarded import TrustedProxies, strip_prefix

HEADERS = {
    b"x-forwarded-for": b"6.6.6.6, 192.0.2.7, 10.0.0.9",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-prefix": b"/ml/",
}


def applied(allowed: str, headers: dict[bytes, bytes]) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "scheme": "http",
        "client": ("10.0.0.1", 5),
        "root_path": "",
    }
    proxies = TrustedProxies(allowed)
    proxies.apply(scope, headers)
    scope["root_path"] = proxies.prefix(headers)
    return scope


def test_the_caller_is_the_last_address_that_is_no_proxy() -> None:
    scope = applied("10.0.0.0/8", HEADERS)
    assert scope["client"] == ("192.0.2.7", 0)
    assert (scope["scheme"], scope["root_path"]) == ("https", "/ml")


@pytest.mark.parametrize("prefix", [b"//evil.example", b"ml", b"", b"https://x"])
def test_a_prefix_that_is_no_path_is_not_taken(prefix: bytes) -> None:
    assert applied("*", {b"x-forwarded-prefix": prefix})["root_path"] == ""


@pytest.mark.parametrize(
    ("path", "prefix", "below"),
    [
        ("/ml/livez", "/ml", "/livez"),
        ("/livez", "/ml", "/livez"),
        ("/mlx/livez", "/ml", "/mlx/livez"),
        ("/ml", "/ml", "/ml"),
        ("/ml/ml/x", "/ml", "/ml/x"),
        ("/livez", "", "/livez"),
        ("*", "/ml", "*"),
    ],
)
def test_a_prefix_is_taken_off_once_and_whole(
    path: str, prefix: str, below: str
) -> None:
    assert strip_prefix(path, prefix) == below


def test_a_scheme_that_nobody_speaks_is_not_taken() -> None:
    assert applied("*", {b"x-forwarded-proto": b"gopher"})["scheme"] == "http"


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("*", "203.0.113.9"),
        ("127.0.0.1, ::1", "::1"),
        ("10.0.0.0/8", "10.200.0.1"),
        ("10.0.0.0/8", "::ffff:10.200.0.1"),
    ],
)
def test_those_named_are_trusted(allowed: str, address: str) -> None:
    assert address in TrustedProxies(allowed)


@pytest.mark.parametrize(
    ("allowed", "address"),
    [("", "127.0.0.1"), ("10.0.0.0/8", "11.0.0.1"), ("10.0.0.0/8", "")],
)
def test_nobody_else_is(allowed: str, address: str) -> None:
    assert address not in TrustedProxies(allowed)

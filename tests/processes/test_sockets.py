"""Addresses that can be listened on, and those that cannot."""

import socket
from collections import Counter

import pytest

from service.processes.sockets import (
    AddressTakenError,
    is_loopback,
    is_ours,
    listen_privately,
    listen_together,
    show_address,
    unix_address,
)


def test_port_0_gives_all_listeners_one_port() -> None:
    listeners = listen_together("127.0.0.1", 0, 4)
    assert len({each.getsockname() for each in listeners}) == 1
    for each in listeners:
        each.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_it_is_known_whether_others_can_connect(host: str, *, expected: bool) -> None:
    (listener,) = listen_together(host, 0, 1)
    with listener:
        assert is_loopback(listener) is expected


def test_connections_are_spread_evenly() -> None:
    listeners = listen_together("127.0.0.1", 0, 4)
    address = listeners[0].getsockname()
    calls = [socket.create_connection(address) for _ in range(256)]
    for each in listeners:
        each.setblocking(False)
    accepted = Counter(dict.fromkeys(listeners, 0))
    for listener in listeners:
        try:
            while True:
                listener.accept()[0].close()
                accepted[listener] += 1
        except BlockingIOError:
            pass
    for each in (*calls, *listeners):
        each.close()
    assert sum(accepted.values()) == 256
    assert min(accepted.values()) >= 256 / 4 / 2


@pytest.mark.parametrize("number", [1, 4])
def test_an_address_that_another_has_is_refused_even_if_it_would_share(
    number: int,
) -> None:
    others = listen_together("127.0.0.1", 0, 4)
    port = others[0].getsockname()[1]
    with pytest.raises(AddressTakenError, match=f"127.0.0.1:{port}: Address already"):
        listen_together("127.0.0.1", port, number)
    for each in others:
        each.close()
    for each in listen_together("127.0.0.1", port, number):
        each.close()


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "1.2.3.4.5", "a..b", "192.0.2.1", "2001:db8::1"]
)
def test_a_host_that_is_not_ours_is_said_plainly(host: str) -> None:
    with pytest.raises(AddressTakenError, match="cannot listen on"):
        listen_together(host, 0, 2)


@pytest.mark.parametrize(
    ("host", "callers"),
    [("::1", ["::1"]), ("::", ["::1", "127.0.0.1"]), ("0.0.0.0", ["127.0.0.1"])],
)
def test_both_kinds_of_addresses_are_served(host: str, callers: list[str]) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    listeners = listen_together(host, 0, 2)
    port = listeners[0].getsockname()[1]
    for caller in callers:
        socket.create_connection((caller, port), timeout=5).close()
    for each in listeners:
        each.close()


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    assert show_address("::1", 8000) == "[::1]:8000"
    assert show_address("127.0.0.1", 8000) == "127.0.0.1:8000"


def test_who_connects_privately_is_known() -> None:
    listener, name = listen_privately()
    with listener, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(unix_address(name))
        accepted, _ = listener.accept()
        with accepted:
            assert is_ours(caller)
            assert is_ours(accepted)

"""Whoever connects is taken at once, however busy the loop is."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop

from service.web.http import server as module
from service.web.http.server import MANY, Listener
from tests.versions import until
from tests.web.http.loopback import Loopback

PATIENCE_S = 30


class Seen(asyncio.Protocol):
    """Those that have connected."""

    def __init__(self, seen: list[asyncio.BaseTransport]):
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._seen.append(transport)


class Scarce(socket.socket):
    """A socket for which the system has, at first, nothing left."""

    tries = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        if self.tries == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        if self.tries == 2:
            raise ConnectionAbortedError
        return super().accept()


def listening(kind: type[socket.socket] = socket.socket) -> socket.socket:
    listener = kind()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    return listener


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(test(), PATIENCE_S))


def connect(listener: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(count)]


def close(listener: socket.socket, callers: list[socket.socket]) -> None:
    for each in (listener, *callers):
        each.close()


def test_all_who_wait_are_taken_in_few_turns_of_a_busy_loop() -> None:
    async def test() -> None:
        loop, seen, turns = asyncio.get_running_loop(), list[Any](), 0

        def be_busy() -> None:
            nonlocal turns
            turns += 1
            time.sleep(0.05)
            if len(seen) < len(callers):
                loop.call_soon(be_busy)

        listener = listening()
        callers = connect(listener, 5 * MANY)
        taking = Listener(listener, lambda: Seen(seen), lambda *_: False)
        be_busy()
        await until(lambda: len(seen) == len(callers))
        assert turns < 30  # some 50 are taken in one, and then heard of in the next
        taking.close()
        for each in seen:
            each.close()
        close(listener, callers)

    run(test)


def test_who_listens_beside_another_gets_a_share() -> None:
    async def test() -> None:
        mine, yours = list[Any](), list[Any]()
        listener = listening()
        callers = connect(listener, 64)
        same = listener.dup()
        taking = [
            Listener(listener, lambda: Seen(mine), lambda *_: False),
            Listener(same, lambda: Seen(yours), lambda *_: False),
        ]
        await until(lambda: len(mine) + len(yours) == len(callers))
        assert len(mine) >= 16
        assert len(yours) >= 16
        for each in taking:
            each.close()
        for each in mine + yours:
            each.close()
        close(listener, [same, *callers])

    run(test)


def test_who_is_just_being_taken_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ExitStack() as stack, Loopback() as server:
        server.state.draining = True

        def end() -> None:
            time.sleep(0.3)  # meanwhile they connect
            server.server.should_exit = True
            for _ in range(20):
                server._loop.call_soon(time.sleep, 0.02)

        server._loop.call_soon_threadsafe(end)
        for _ in range(50):
            stack.enter_context(server.wire())
    assert "graceful shutdown exceeded" not in caplog.text


def test_where_the_system_has_nothing_left_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.05)

    async def test() -> None:
        seen = list[Any]()
        listener = listening(Scarce)
        taking = Listener(listener, lambda: Seen(seen), lambda *_: False)
        callers = connect(listener, 2)
        await until(lambda: len(seen) == 2)
        taking.close()
        await taking.wait_closed()
        callers += connect(listener, 1)
        await asyncio.sleep(0.05)
        assert len(seen) == 2
        for each in seen:
            each.close()
        close(listener, callers)

    run(test)
    assert "Too many open files" in caplog.text


def test_who_has_gone_meanwhile_harms_nobody() -> None:
    async def test() -> None:
        seen = list[Any]()
        listener = listening()
        gone = connect(listener, 50)
        for each in gone:  # reset, not closed
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            each.close()
        taking = Listener(listener, lambda: Seen(seen), lambda *_: False)
        callers = connect(listener, 1)
        await until(lambda: any(not each.is_closing() for each in seen))
        taking.close()
        for each in seen:
            each.close()
        close(listener, callers)

    run(test)

"""How long a connection may be idle, on a clock that the tests turn."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from service.engine.ipc.client import EngineClient
from service.metrics import Metrics
from service.settings import Settings
from service.web.http.middleware import RequestMiddleware
from service.web.http.protocol import HttpProtocol
from service.web.state import AppState

KEEP_ALIVE_S = 10


class Clock:
    """An event loop that only knows the time and what is planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self.planned: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_later(
        self, seconds: float, call: Callable[[], None]
    ) -> asyncio.TimerHandle:
        loop = cast(asyncio.AbstractEventLoop, self)
        handle = asyncio.TimerHandle(self.now + seconds, call, (), loop)
        self.planned.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.planned.remove(handle)

    def turn(self, to: float) -> None:
        while due := [each for each in self.planned if each.when() <= to]:
            first = min(due, key=asyncio.TimerHandle.when)
            self.planned.remove(first)
            self.now = first.when()
            first._run()
        self.now = to


class Transport(asyncio.Transport):
    """One that is closed or not."""

    closed = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def protocol(clock: Clock) -> HttpProtocol:
    """One that has answered a request at 0 s."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    state = AppState(Settings(), EngineClient(Path()), Metrics(CollectorRegistry()))
    config = Config(
        cast(Any, RequestMiddleware(app, state, {})),
        interface="asgi3",
        timeout_keep_alive=KEEP_ALIVE_S,
        proxy_headers=False,
        log_config=None,
    )
    protocol = HttpProtocol(config, ServerState(), {}, cast(Any, clock))
    protocol.connection_made(Transport())
    protocol.on_response_complete()
    return protocol


def assert_closed_at(seconds: float, protocol: HttpProtocol, clock: Clock) -> None:
    clock.turn(seconds - 0.1)
    assert not protocol.transport.is_closing()
    clock.turn(seconds)
    assert protocol.transport.is_closing()


def test_a_connection_is_closed_when_it_was_idle_for_long_enough(
    protocol: HttpProtocol, clock: Clock
) -> None:
    assert_closed_at(10, protocol, clock)
    assert not clock.planned


def test_each_answer_lets_a_connection_be_idle_anew(
    protocol: HttpProtocol, clock: Clock
) -> None:
    for at in (4, 8, 12):
        clock.turn(at)
        protocol.on_response_complete()
        assert len(clock.planned) == 1
    assert_closed_at(22, protocol, clock)


def test_a_request_that_comes_slowly_is_waited_for_until_it_stops(
    protocol: HttpProtocol, clock: Clock
) -> None:
    for number, part in enumerate((b"POST", b" / HT", b"TP/1.1\r\n")):
        clock.turn(9 * number)
        protocol.data_received(part)
    assert_closed_at(28, protocol, clock)


def test_a_connection_on_which_somebody_waits_for_an_answer_is_not_idle(
    protocol: HttpProtocol, clock: Clock
) -> None:
    protocol.cycle = cast(Any, SimpleNamespace(response_complete=False))
    clock.turn(100)
    assert not protocol.transport.is_closing()
    protocol.cycle.response_complete = True
    protocol.on_response_complete()
    clock.turn(110)
    assert protocol.transport.is_closing()


def test_a_connection_that_is_gone_leaves_nothing_planned(
    protocol: HttpProtocol, clock: Clock
) -> None:
    protocol.connection_lost(None)
    assert not clock.planned

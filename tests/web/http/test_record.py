"""What becomes of a request before any endpoint sees it."""

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.engine.ipc.client import EngineClient
from service.errors import (
    DeadlineExceeded,
    EngineGone,
    ModelNotReady,
    QueueFull,
    ServeryError,
)
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.http import accounting as of_accounting
from service.web.http.accounting import Accounting
from service.web.http.record import RequestRecord, respond
from service.web.state import AppState

PATH = "/v1/predict/digits"
STARTS = EngineGone("The engine is starting.")


def accounting(**settings: Any) -> Accounting:
    return Accounting(Settings(**settings), Metrics(CollectorRegistry()), None)


async def take_turns() -> None:
    """Let others go as far as they can without time."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_request_that_is_turned_away_is_counted_for_its_route() -> None:
    registry = CollectorRegistry()
    settings = Settings(max_in_flight=1)
    state = AppState(settings, EngineClient(Path("nowhere")), Metrics(registry))
    state.accounting.in_flight = 1

    async def ask() -> int:
        transport = httpx.ASGITransport(create_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as web:
            return (await web.post(PATH)).status_code

    assert asyncio.run(ask()) == 503
    state.close()
    labels = {"route": PATH, "status": "503", "model": ""}
    assert registry.get_sample_value("servery_request_seconds_count", labels) == 1
    assert registry.get_sample_value("servery_requests_in_flight_limit") == 1


class Body:
    """What a request holds."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), ValueError("a bug")])
def test_an_error_that_was_answered_keeps_nothing_of_its_request(
    error: Exception, no_collector: None
) -> None:
    held: list[weakref.ref[Body]] = []

    async def fail(record: RequestRecord, future: asyncio.Future[None]) -> None:
        body = Body()
        held.append(weakref.ref(body))
        try:
            await record.wait_for(future)
        except ValueError as error:
            raise ServeryError("of another") from error

    async def ask() -> None:
        record = RequestRecord("POST", PATH, PATH, {})
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        await respond(fail(record, future), record, accounting().pause)

    asyncio.run(ask())
    assert [each() for each in held] == [None]


async def refuse(error: ServeryError) -> None:
    raise error


@pytest.mark.parametrize(
    ("method", "error", "waits"),
    [
        ("POST", STARTS, True),
        ("POST", ModelNotReady("digits is loading."), True),
        ("POST", ModelNotReady("photo is not there.", retry_after_s=60), False),
        ("POST", QueueFull("Too many rows wait."), False),
        ("POST", ServeryError("a bug"), False),
        ("GET", STARTS, False),
    ],
)
def test_only_who_is_told_that_something_starts_is_told_after_a_pause(
    method: str, error: ServeryError, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    monkeypatch.setattr(of_accounting, "PAUSE_S", 3600)

    async def ask() -> None:
        asked, record = accounting(), RequestRecord(method, PATH, PATH, {})
        asked.enter(record)
        answer = asyncio.create_task(respond(refuse(error), record, asked.pause))
        await take_turns()
        assert answer.done() is not waits
        answer.cancel()

    asyncio.run(ask())


def test_who_waits_in_a_pause_has_nobodys_place_and_may_hang_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_accounting, "PAUSE_S", 3600)

    async def ask() -> None:
        asked, record = accounting(), RequestRecord("POST", PATH, PATH, {})
        asked.enter(record)
        asked.admit(record)
        asked.hold(record, 1000)
        answer = asyncio.create_task(respond(refuse(STARTS), record, asked.pause))
        await take_turns()
        assert (asked.in_flight, asked.places.held, asked._decoded.held) == (0, 0, 0)
        record.abandon()
        assert await answer is None
        assert (record.status, record.code) == (499, "client_disconnected")
        asked.leave(record)
        assert (asked.in_flight, asked.places.held) == (0, 0)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("left_s", "most", "waits"),
    [(60, 1, 1), (60, 3, 3), (60, 9, 5), (5, 9, 0)],
)
def test_no_more_wait_than_may_be_under_way_and_nobody_until_it_is_too_late(
    left_s: float, most: int, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_accounting, "PAUSE_S", 5.0)

    async def ask() -> None:
        asked = accounting(max_in_flight=most)
        deadline, waiting = time.monotonic() + left_s, []
        for _ in range(5):
            record = RequestRecord("POST", PATH, PATH, {})
            asked.enter(record)
            pause = asked.pause(STARTS, record, deadline)
            waiting.append(asyncio.create_task(pause))
        await take_turns()
        assert sum(not each.done() for each in waiting) == waits
        assert asked.in_flight == 5 - waits
        for each in waiting:
            each.cancel()

    asyncio.run(ask())


def test_who_asks_with_a_query_is_told_after_the_same_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_accounting, "PAUSE_S", 0.3)
    registry = CollectorRegistry()
    state = AppState(Settings(), EngineClient(Path("nowhere")), Metrics(registry))

    async def ask(query: str) -> float:
        transport = httpx.ASGITransport(create_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as web:
            answer = await web.post(f"{PATH}{query}", json={"image": ""})
        assert answer.status_code == 503
        return answer.elapsed.total_seconds()

    for query in ("", "?version=1"):
        assert asyncio.run(ask(query)) >= 0.3
    state.close()

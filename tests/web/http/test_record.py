"""What becomes of a request before any endpoint sees it."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

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
from service.web.http import record as of_record
from service.web.http.record import RequestRecord, respond
from service.web.state import AppState

PATH = "/v1/predict/digits"


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
        await respond(fail(record, future), record)

    asyncio.run(ask())
    assert [each() for each in held] == [None]


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (EngineGone("The engine is starting."), True),
        (ModelNotReady("digits is loading."), True),
        (QueueFull("Too many rows wait."), False),
        (ServeryError("a bug"), False),
    ],
)
def test_only_who_is_told_that_something_starts_is_told_after_a_pause(
    error: ServeryError, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    monkeypatch.setattr(of_record, "PAUSE_S", 3600)

    async def fail() -> None:
        raise error

    async def ask() -> bool:
        record = RequestRecord("POST", PATH, PATH, {})
        answer = asyncio.create_task(respond(fail(), record))
        for _ in range(10):
            await asyncio.sleep(0)
        answer.cancel()
        return not answer.done()

    assert asyncio.run(ask()) is waits

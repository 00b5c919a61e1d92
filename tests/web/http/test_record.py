"""What becomes of a request before any endpoint sees it."""

import asyncio
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from service.engine.ipc.client import EngineClient
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
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

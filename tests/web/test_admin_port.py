"""Which paths are the operators' where these have a port of their own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.engine.ipc.client import EngineClient
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.http.middleware import RequestMiddleware
from service.web.state import AppState

PORT = 9001
READ = ["/metrics", "/docs", "/docs/start.js", "/openapi.json", "/", "/page/app.js"]
TOLD = ["/v1/admin/reload", "/v2/repository/models/digits/load"]


@pytest.fixture(scope="module")
def app() -> Iterator[RequestMiddleware]:
    settings = Settings(admin_port=PORT)
    metrics = Metrics(CollectorRegistry())
    state = AppState(settings, EngineClient(Path("nowhere")), metrics)
    yield create_app(state)
    state.close()


def ask(app: RequestMiddleware, port: int, method: str, path: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path)

    return asyncio.run(send())


@pytest.mark.parametrize("path", READ)
def test_what_operators_read_is_on_their_port(
    app: RequestMiddleware, path: str
) -> None:
    hidden = ask(app, 8000, "GET", path)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
    assert "lists what is" not in hidden.json()["error"]
    assert ask(app, 8000, "HEAD", path).status_code == 404
    assert ask(app, PORT, "GET", path).status_code == 200


@pytest.mark.parametrize("path", TOLD)
def test_what_operators_tell_is_told_on_their_port(
    app: RequestMiddleware, path: str
) -> None:
    for method in ("POST", "OPTIONS", "GET"):
        assert ask(app, 8000, method, path).status_code == 404
    assert ask(app, PORT, "POST", path).status_code == 403  # there is no token


@pytest.mark.parametrize(
    ("path", "status"),
    [("/livez", 200), ("/readyz", 503), ("/v1/models", 200), ("/docsy", 404)],
)
def test_the_rest_is_on_both(app: RequestMiddleware, path: str, status: int) -> None:
    assert ask(app, 8000, "GET", path).status_code == status
    assert ask(app, PORT, "GET", path).status_code == status

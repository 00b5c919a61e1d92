"""A model that declares its task, dropped into a running service."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, until
from tests.tasks import declared

pytestmark = pytest.mark.slow

RECORD = {"area": 50, "rooms": 2, "heating": "wood", "garden": True}
PATH = "/v1/predict/house"


@pytest.fixture
def server(digits: Path, tmp_path: Path) -> Iterator[Server]:
    artifacts = tmp_path / "artifacts"
    shutil.copytree(digits, artifacts)
    settings = {"poll_seconds": 0.2, "http_processes": 2}
    with Server(tmp_path / "log", artifacts=artifacts, **settings) as started:
        started.wait_ready()
        yield started


def ask(server: Server) -> httpx.Response:
    return server.client.post(PATH, json={"record": RECORD})


def is_described(server: Server) -> bool:
    return PATH in server.client.get("/openapi.json").json()["paths"]


def test_it_answers_and_is_described_without_a_restart(
    server: Server, tmp_path: Path
) -> None:
    assert ask(server).status_code == 404
    assert not is_described(server)

    declared.write_house(tmp_path / "draft")
    home = tmp_path / "artifacts" / "house"
    shutil.move(tmp_path / "draft" / "house", home)

    until(lambda: ask(server).status_code == 200)
    assert ask(server).json()["predictions"] == [{"value": 50_010, "unit": "EUR"}]
    until(lambda: is_described(server))
    assert server.client.get("/v1/models/house").json()["task"]["unit"] == "EUR"

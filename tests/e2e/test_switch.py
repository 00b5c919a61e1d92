"""Versions come and go on the real service, and no caller notices."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import Server, until
from tests.versions import publish_shipped

pytestmark = pytest.mark.slow

CALLERS = 8  # of each kind
LAST_VERSION = 4
MASS = {"shape": "oval", "margin": "circumscribed", "age": 50}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "mammogram": ("/v1/predict/mammogram", {"masses": [MASS]}),  # needs the manifest
    "clothing_vae": ("/v1/generate/clothing", {"count": 1, "seed": 1}),  # chooses first
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    artifacts = tmp_path / "artifacts"
    for name in CALLS:
        publish_shipped(artifacts, name, 1)
    with Server(
        tmp_path / "log",
        artifacts=artifacts,
        versions_kept=1,
        poll_seconds=0.2,
        retire_delay_s=1,
        http_processes=2,
    ) as started:
        started.wait_ready()
        yield started


def wait_for(server: Server, version: int) -> None:
    """Until no model has another version in memory."""

    def is_there() -> bool:
        models = server.client.get("/v1/models").json()["models"]
        return all(
            [each["version"] for each in model["versions"]] == [version]
            for model in models
            if model["name"] in CALLS
        )

    until(is_there)


def test_switches_under_load_fail_no_request(server: Server) -> None:
    artifacts = server.log.parent / "artifacts"
    outcomes: Counter[tuple[str, int, str]] = Counter()
    versions: Counter[tuple[str, int]] = Counter()

    async def load() -> None:
        over = asyncio.Event()
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=server.url, timeout=60, limits=limits
        ) as client:

            async def caller(name: str) -> None:
                path, body = CALLS[name]
                while not over.is_set():
                    response = await client.post(path, json=body)
                    answer = response.json()
                    outcomes[name, response.status_code, answer.get("error", "")] += 1
                    versions[name, answer.get("version", 0)] += 1

            callers = [
                asyncio.create_task(caller(name))
                for name in CALLS
                for _ in range(CALLERS)
            ]
            for version in range(2, LAST_VERSION + 1):
                for name in CALLS:
                    old = artifacts / name / str(version - 1)
                    await asyncio.to_thread(publish_shipped, artifacts, name, version)
                    await asyncio.to_thread(shutil.rmtree, old)
                await asyncio.to_thread(wait_for, server, version)
            over.set()
            await asyncio.gather(*callers)

    asyncio.run(load())
    assert {status for _, status, _ in outcomes} == {200}, outcomes
    assert {version for _, version in versions} == set(range(1, LAST_VERSION + 1))

"""A version that kills the process it lives in is found out, and all others serve."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.catalog import VersionState, VersionStatus
from service.engine.ipc.client import EngineClient
from service.errors import EngineGone, ModelFailed, ServeryError
from service.processes.handover import Handover
from tests.e2e.server import Server, alive, child_of, until
from tests.e2e.test_operations import metric
from tests.engine.deadly.sitecustomize import KILL_VALUE
from tests.versions import until as until_async
from tests.versions import write_deadly, write_version

pytestmark = pytest.mark.slow

DEADLY = Path(__file__).parents[1] / "engine" / "deadly"
HOMES = ["tensorflow", "engine"]  # processes that models live in


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    write_version(tmp_path / "artifacts", "times", 1, factor=2)
    write_version(tmp_path / "artifacts", "doomed", 1, factor=3)
    return tmp_path / "artifacts"


@pytest.fixture
def home() -> str:
    return "tensorflow"


@pytest.fixture
def server(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> Iterator[Server]:
    """A real service whose models can kill the process that is their home."""
    monkeypatch.setenv("PYTHONPATH", f"{DEADLY}:{Path.cwd()}")
    monkeypatch.setenv("DEADLY_IN", home)
    with Server(tmp_path / "log", artifacts=artifacts, poll_seconds=0.2) as started:
        yield started


def describe(server: Server, name: str) -> dict[int, dict[str, Any]]:
    models = server.client.get("/v1/models").json()["models"]
    versions = next(each["versions"] for each in models if each["name"] == name)
    return {each["version"]: each for each in versions}


def is_quarantined(server: Server, name: str, version: int) -> bool:
    try:
        reason = describe(server, name)[version]["reason"] or ""
    except (KeyError, StopIteration):
        return False
    return "in quarantine" in reason


def engine_socket(server: Server) -> str:
    words = Path(f"/proc/{server.child('engine')}/cmdline").read_text().split("\0")
    return Handover.model_validate_json(words[words.index("--handover") + 1]).engine


def status(client: EngineClient, name: str, version: int) -> VersionStatus | None:
    model = client.catalog.models.get(name)
    versions = model.versions if model else ()
    return next((each for each in versions if each.version == version), None)


def ready(client: EngineClient, name: str, version: int) -> bool:
    found = status(client, name, version)
    return found is not None and found.state is VersionState.READY


def reason(client: EngineClient, name: str, version: int) -> str:
    found = status(client, name, version)
    return (found and found.reason) or ""


def is_whole(client: EngineClient) -> bool:
    return client.connected and ready(client, "times", 1) and ready(client, "doomed", 2)


async def multiply(client: EngineClient, name: str, value: int) -> int:
    rows = (np.array([value]),)
    deadline = time.monotonic() + 10
    answer = await client.submit(name, None, "serving_default", rows, deadline)
    return int(answer.outputs[0][0])


@pytest.mark.parametrize(
    ("when", "how", "ended"),
    [
        pytest.param("loading", "segfault", "by SIGSEGV", id="segfault"),
        pytest.param("warming", "abort", "by SIGABRT", id="abort while warming"),
        pytest.param("loading", "exit", "with exit code 3", id="exit"),
        pytest.param("loading", "kill", "by SIGKILL", id="killed"),
    ],
)
@pytest.mark.parametrize("home", HOMES)
def test_a_version_that_dies_while_it_is_loaded_is_put_in_quarantine(
    server: Server, artifacts: Path, home: str, when: str, how: str, ended: str
) -> None:
    server.wait_ready()
    engine = server.child("engine")
    folder = write_deadly(artifacts, "doomed", 2, when, how)
    until(lambda: is_quarantined(server, "doomed", 2))
    server.wait_ready()
    versions = describe(server, "doomed")
    assert versions[1]["state"] == "ready"
    assert versions[2]["state"] == "failed"
    assert ended in versions[2]["reason"]
    assert "these are my last words" in versions[2]["reason"]
    labels = {"model": "doomed", "version": "2"}
    assert metric(server, "servery_model_quarantined", **labels) == 1
    assert metric(server, "servery_model_state", **labels, state="failed") == 1
    (line,) = server.log_lines(logger="service.engine.registry", level="error")
    assert "doomed 2 is in quarantine" in line["message"]
    deaths = metric(server, "servery_process_restarts_total", process=home)
    assert deaths == (4 if how == "kill" else 2)
    assert alive(engine) == (home != "engine")
    assert (home if home == "engine" else "tensorflow-0") in versions[2]["reason"]

    shutil.rmtree(folder)
    write_version(artifacts, "doomed", 2, factor=5)
    until(lambda: describe(server, "doomed").get(2, {}).get("state") == "ready")
    assert metric(server, "servery_model_quarantined", **labels) == 0


@pytest.mark.parametrize("home", HOMES)
def test_a_version_that_dies_while_it_computes_is_told_from_its_neighbours(
    server: Server, artifacts: Path, home: str
) -> None:
    write_deadly(artifacts, "doomed", 2, "computing", "abort")
    server.wait_ready()
    assert describe(server, "doomed")[2]["state"] == "ready"
    engine = server.child("engine")

    async def test() -> None:
        client = EngineClient(
            engine_socket(server), silence_s=2, max_backlog_bytes=1_000_000
        )
        await client.start()
        try:
            for _ in range(2):
                await until_async(lambda: is_whole(client))
                outcomes = await asyncio.gather(
                    *(multiply(client, "times", each) for each in range(50)),
                    multiply(client, "doomed", KILL_VALUE),
                    return_exceptions=True,
                )
                gone = EngineGone if home == "engine" else ModelFailed
                assert isinstance(outcomes[-1], gone)
                for value, outcome in enumerate(outcomes[:-1]):
                    assert outcome == 2 * value or isinstance(outcome, ServeryError)
                await until_async(lambda: not is_whole(client))
            await until_async(lambda: "quarantine" in reason(client, "doomed", 2))
            await until_async(lambda: ready(client, "times", 1))
            assert await multiply(client, "times", 7) == 14
            assert await multiply(client, "doomed", 7) == 21
        finally:
            await client.stop()

    asyncio.run(test())
    assert is_quarantined(server, "doomed", 2)
    assert "was computing" in describe(server, "doomed")[2]["reason"]
    assert describe(server, "times")[1]["state"] == "ready"
    assert server.is_ready()
    assert alive(engine) == (home != "engine")


@pytest.mark.parametrize("victim", HOMES)
def test_who_kills_a_process_puts_no_version_in_quarantine(
    server: Server, victim: str
) -> None:
    for _ in range(4):
        server.wait_ready()
        engine = server.child("engine")
        inner = child_of(engine)
        os.kill(engine if victim == "engine" else inner, signal.SIGKILL)
        until(lambda: not server.is_ready())
        until(lambda pid=inner: not alive(pid))  # type: ignore[misc]
        assert alive(engine) == (victim != "engine")
    server.wait_ready()
    for name in ("times", "doomed"):
        until(lambda name=name: describe(server, name)[1]["state"] == "ready")  # type: ignore[misc]

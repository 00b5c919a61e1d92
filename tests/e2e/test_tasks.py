"""Every declared task on a real service, and the tools that find it there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.tasks import declared, tiny

MODELS = {
    "guest": "predict", "house": "predict", "ink": "predict", "light": "predict",
    "shapes": "generate", "shout": "predict", "sounds": "predict",
}  # fmt: skip


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model of each task."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    for write in (
        declared.write_guest, declared.write_house, declared.write_light,
        declared.write_shout, tiny.write_ink, tiny.write_shapes, tiny.write_sounds,
    ):  # fmt: skip
        write(artifacts)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=artifacts, http_processes=1) as server:
        server.wait_ready()
        yield server


def loadtest(*words: str) -> str:
    command = [sys.executable, "-m", "service.cli", "loadtest", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_are_described(server: Server) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    assert {f"/v1/{verb}/{name}" for name, verb in MODELS.items()} <= paths.keys()


def test_all_are_listed_among_the_workloads(server: Server) -> None:
    listed = loadtest("workloads", "--url", server.url)
    for name, verb in MODELS.items():
        assert f"POST /v1/{verb}/{name}: 1 declared" in listed


def test_all_are_loaded_without_a_line_of_code(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ("--duration", "2s", "--warmup", "0s", "--connections", "2")
    kept = ("--assert", "errors<0.1%,requests>1")
    loadtest("run", "--url", server.url, *options, *kept, "--json", str(file))
    text = json.dumps(json.loads(file.read_text()))
    assert all(f'"{name}"' in text for name in MODELS)
    loadtest("run", "--url", server.url, *options, *kept, "--mix", "sounds=3,shapes")

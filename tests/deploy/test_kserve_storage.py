"""The runtime's own command serves what KServe's storage initializer lays, as it is."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import saved_models
from tests.deploy.test_kserve import container
from tests.e2e.conftest import DIGITS, SAMPLE
from tests.e2e.server import free_port, until
from tests.rpc.clients import run_client

pytestmark = pytest.mark.slow


def versions_of_one_model(models: Path) -> None:
    saved_models.half_plus_two(models / "1")


def several_models(models: Path) -> None:
    newest = shutil.ignore_patterns("3")  # of two the first is in memory, too
    shutil.copytree(DIGITS, models / "digits", ignore=newest)
    saved_models.half_plus_two(models / "half_plus_two" / "1")


@contextmanager
def predictor(folder: Path, name: str, lay: Callable[[Path], None]) -> Iterator[str]:
    """The runtime's own command, over what a storage initializer lays; its URL.

    Args:
        folder: An empty one, in place of a container's file system.
        name: The InferenceService's.
        lay: Writes what is stored to the folder that the container sees.
    """
    for part in ("mnt", "tmp", "bin"):
        (folder / part).mkdir()
    lay(folder / "mnt/models")
    servery = folder / "bin/servery"
    servery.write_text(f'#!/bin/sh\nexec {sys.executable} -m service.cli "$@"\n')
    servery.chmod(0o755)
    (script,) = container()["args"]
    for path in ("/mnt/models", "/tmp/models"):
        assert path in script
        script = script.replace(path, f"{folder}{path}")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*container()["command"], script.replace("{{.Name}}", name)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ
            | {
                "PATH": f"{servery.parent}:{os.environ['PATH']}",
                "SERVERY_PORT": str(port),
                "SERVERY_HTTP_PROCESSES": "1",
            },
        )
    url = f"http://127.0.0.1:{port}"
    ready = container()["readinessProbe"]["httpGet"]["path"]
    try:
        until(lambda: answers(f"{url}{ready}", process, folder / "log"), 240, 0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def answers(url: str, process: Any, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_versions_of_one_model_are_served_under_the_services_name(
    tmp_path: Path,
) -> None:
    with predictor(tmp_path, "halving", versions_of_one_model) as url:
        assert httpx.get(f"{url}/v1/models/halving").json()["ready"] is True
        assert httpx.get(f"{url}/v2/models/halving/ready").status_code == 200
        answer = httpx.post(f"{url}/v1/models/halving:predict", json={"instances": [1]})
        assert answer.json() == {"predictions": [2.5]}


def test_several_models_are_served_under_their_own_to_kserves_client(
    tmp_path: Path,
) -> None:
    with predictor(tmp_path, "several", several_models) as url:
        assert run_client("kserve_http", url, str(SAMPLE)) == "passed\n"

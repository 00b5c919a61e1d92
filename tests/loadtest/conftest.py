"""A real service, and an application that is slow in a known way."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, until


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("loadtest") / "log", access_log=False) as ours:
        ours.wait_ready()
        yield ours


@pytest.fixture
def slow_url(tmp_path: Path) -> Iterator[str]:
    """The address of `tests.loadtest.slow`."""
    log = tmp_path / "slow.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "tests.loadtest.slow:app"),
                *("--port", "0", "--no-access-log"),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: b"running on" in log.read_bytes())
        found = re.search(r"http://[\d.]+:\d+", log.read_text())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)

"""The Dockerfile is clean, and what it installs is what was tested."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
READY = ROOT / "deploy/container/ready.py"
HADOLINT = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which(
    "hadolint"
)
LOCKS = ["requirements-cpu.lock", "requirements-gpu.lock"]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
@pytest.mark.parametrize(
    "name", ["Dockerfile", "deploy/container/artifacts.Dockerfile"]
)
def test_hadolint_finds_nothing(name: str) -> None:
    assert HADOLINT is not None
    linted = subprocess.run(
        [HADOLINT, "--no-color", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    let_through = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for device in ("cpu", "gpu"):
        sources = copied(device)
        assert sources
        assert [each for each in sources if not (ROOT / each).exists()] == []
        assert set(sources) <= set(let_through)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_the_versions_that_were_tested_by_hash(lock: str) -> None:
    tested, installed = pins("requirements.lock"), pins(lock)
    mine = {"tensorflow-cpu"} | {each for each in installed if "nvidia-" in each}
    assert {name: installed[name] for name in installed.keys() - mine} == {
        name: tested[name] for name in installed.keys() - mine
    }
    assert installed.get("tensorflow-cpu", tested["tensorflow"]) == tested["tensorflow"]
    text = (ROOT / lock).read_text()
    assert text.count(" \\\n    --hash=sha256:") >= len(installed)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_all_that_serving_needs(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}
    assert needed <= pins(lock).keys()


def test_the_gpu_comes_with_the_libraries_that_it_needs() -> None:
    assert "tensorflow-cpu" not in pins("requirements-gpu.lock")
    assert "nvidia-cudnn-cu12" in pins("requirements-gpu.lock")


def test_variables_of_the_image_are_settings() -> None:
    variables = re.findall(r"SERVERY_(\w+)=(\S+)", DOCKERFILE)
    Settings(**{name.lower(): value for name, value in variables})
    assert {name.lower() for name, _ in variables} <= Settings.model_fields.keys()


def test_it_runs_as_a_number_without_a_shell_and_hears_signals() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["servery"\]$', last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)], ids=["ready", "not"])
def test_the_health_check_says_what_readyz_says(status: int, code: int) -> None:
    with answering(status) as (port, asked):
        assert check_health(port) == code
    assert asked == ["/readyz"]


def test_the_health_check_is_red_where_nobody_listens() -> None:
    with answering(200) as (port, _):
        pass
    assert check_health(port) == 1


def check_health(port: int) -> int:
    environment = os.environ | {"SERVERY_PORT": str(port)}
    return subprocess.run(
        [sys.executable, READY], env=environment, check=False
    ).returncode


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything so; its port, and the paths it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def copied(device: str) -> list[str]:
    """What the Dockerfile copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    words = [line.replace("${DEVICE}", device).split()[:-1] for line in lines]
    return [source for sources in words for source in sources]


def pins(lock: str) -> dict[str, set[str]]:
    """The versions that a lock names, by package; some differ by Python's version."""
    found: dict[str, set[str]] = {}
    text = (ROOT / lock).read_text()
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found

"""The page about the client, done as it stands."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.e2e.pages import ROOT, blocks, promised, run
from tests.e2e.server import Server

PAGE = ROOT / "docs" / "client.md"
URL = "http://127.0.0.1:8000"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(shipped: Server) -> Server:
    return shipped


def test_its_python_prints_what_it_says(server: Server, tmp_path: Path) -> None:
    (tmp_path / "seven.png").symlink_to(ROOT / "seven.png")
    code = "\n".join(blocks(PAGE, "python"))

    printed = run([sys.executable, "-c", code.replace(URL, server.url)], tmp_path)

    assert printed.splitlines() == promised(code)


def test_its_command_draws_what_it_shows(server: Server) -> None:
    (command,) = blocks(PAGE, "sh", "servery predict")
    words = [*shlex.split(command)[1:], "--url", server.url]

    printed = run([sys.executable, "-m", "service.cli", *words], ROOT)

    first, second, _, *_ = blocks(PAGE, "text")[0].splitlines()
    assert printed.splitlines()[:2] == [first, second]
    assert printed.splitlines()[2].startswith("  7  ████████")


def test_the_readme_s_python_prints_what_it_says(server: Server) -> None:
    (code,) = blocks(ROOT / "README.md", "python", "servery.Client")

    code = code.replace("servery.Client()", f"servery.Client({server.url!r})")

    assert run([sys.executable, "-c", code], ROOT).splitlines() == promised(code)

"""The page about one's own model, done as it stands."""

import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages import ROOT, blocks, promised, run
from tests.e2e.server import Server

PAGE = ROOT / "docs" / "your-model.md"

pytestmark = pytest.mark.slow


def here(text: str, server: Server) -> str:
    """The page's words, for the port that is there."""
    return text.replace("localhost:8000", server.url.removeprefix("http://"))


def skip_without(ending: str, server: Server) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    if not any(path.endswith(ending) for path in paths):
        pytest.skip(f"no path of this service ends with {ending}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook was run, and the file that it saved was added."""
    folder = tmp_path_factory.mktemp("notebook")
    calls = ("triton", "servery.Client(")
    code = blocks(PAGE, "python")
    cells = [block for block in code if not any(call in block for call in calls)]
    run([sys.executable, "-c", "\n".join(cells)], folder)
    (command,) = blocks(PAGE, "sh", "servery add")
    words = shlex.split(command)[1:]
    output = run([sys.executable, "-m", "service.cli", *words], folder)
    assert "localhost:8000/v1/models/flowers:predict" in output
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    artifacts = folder / "artifacts"
    with Server(folder / "log", artifacts=artifacts, http_processes=1) as server:
        server.wait_ready()
        yield server


def test_both_versions_are_there(folder: Path) -> None:
    versions = folder / "artifacts" / "flowers"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]


def test_the_client_is_answered(server: Server, folder: Path) -> None:
    (code,) = blocks(PAGE, "python", "servery.Client(")
    code = code.replace("http://127.0.0.1:8000", server.url)
    printed = run([sys.executable, "-c", f"import servery\n{code}"], folder)
    assert printed.splitlines() == promised(code)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gives_the_page_s_answer(server: Server, folder: Path) -> None:
    skip_without(":predict", server)
    (command,) = blocks(PAGE, "sh", "curl")
    answer = json.loads(run([*shlex.split(here(command, server)), "-s"], folder))
    (expected,) = blocks(PAGE, "json", "predictions")
    (got,), (wanted,) = answer["predictions"], json.loads(expected)["predictions"]
    assert got == pytest.approx(wanted, abs=0.1)


@pytest.mark.skipif(
    importlib.util.find_spec("tritonclient") is None,
    reason="tritonclient is not installed",
)
def test_tritonclient_is_answered(server: Server, folder: Path) -> None:
    skip_without("/infer", server)
    (code,) = blocks(PAGE, "python", "triton")
    assert run([sys.executable, "-c", here(code, server)], folder) == "[0 2]\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_is_answered(server: Server, folder: Path) -> None:
    skip_without("/infer", server)
    (code,) = blocks(PAGE, "js")
    script = ["node", "--input-type=module", "--eval", here(code, server)]
    name, _, rest = run(script, folder).partition(" ")
    scores = json.loads(rest)
    assert name == "species"
    assert scores.index(max(scores)) == 2

"""The service does what its description says, by Schemathesis, on the real server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import Server, until
from tests.tasks import tiny

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "10")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_description_is_true(tmp_path: Path) -> None:
    with Server(tmp_path / "log", admin_token="not told") as server:
        until(lambda: server.is_ready() and not is_loading(server), 240, every_s=0.1)
        check_description(server)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_description_of_declared_models_is_true(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    for write in (tiny.write_ink, tiny.write_shapes, tiny.write_sounds):
        write(artifacts)
    with Server(tmp_path / "log", artifacts=artifacts) as server:
        server.wait_ready()
        check_description(server, "--include-path-regex", "^/hf/|/(ink|shapes|sounds)$")


def check_description(server: Server, *options: str) -> None:
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{server.url}/openapi.json", "--checks", "all"),
            *("--max-examples", EXAMPLES, "--continue-on-failure", "--no-color"),
            *options,
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    said = [line[:300] for line in ended.stdout.splitlines()]  # bodies are long
    assert ended.returncode == 0, "\n".join(said)[-16_000:] + ended.stderr[-2000:]


def is_loading(server: Server) -> bool:
    models = server.client.get("/v1/models").json()["models"]
    return any(v["state"] == "loading" for m in models for v in m["versions"])

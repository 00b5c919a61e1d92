"""Strangers' SavedModels behind the real service, called by the clients of others."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests import saved_models
from tests.e2e.conftest import DIGITS, NEWEST_DIGITS, SAMPLE
from tests.e2e.server import Server, until
from tests.rpc.clients import run_client

pytestmark = pytest.mark.slow

POLL_S = 2.0
LOADING_S = 2.0
HALF = "/v1/models/half_plus_two:predict"


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Digits, and two SavedModels without a manifest, served by two processes."""
    folder = tmp_path_factory.mktemp("strangers")
    artifacts = folder / "artifacts"
    for version in ("1", str(NEWEST_DIGITS)):
        shutil.copytree(DIGITS / version, artifacts / "digits" / version)
    saved_models.half_plus_two(artifacts / "half_plus_two" / "1")
    saved_models.two_inputs(artifacts / "two_inputs" / "1")
    with Server(
        folder / "log",
        artifacts=artifacts,
        poll_seconds=POLL_S,
        http_processes=2,
    ) as server:
        server.wait_ready()
        until(lambda: all_ready(server, "digits", "half_plus_two", "two_inputs"))
        yield server
        assert server.stop() == 0


def all_ready(server: Server, *names: str) -> bool:
    return all(is_ready(server, name) for name in names)


def is_ready(server: Server, name: str) -> bool:
    return server.client.get(f"/v2/models/{name}/ready").status_code == 200


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


def test_kserves_client_finds_what_it_knows(strangers: Server) -> None:
    assert run_client("kserve_http", strangers.url, str(SAMPLE)) == "passed\n"


def test_tritonclient_finds_everything_it_knows(strangers: Server) -> None:
    address = strangers.url.removeprefix("http://")
    assert run_client("triton_http", address, str(SAMPLE)) == "passed\n"
    assert strangers.log_lines(message="request", request_id="by-triton")


def test_health_says_in_json_what_kserves_client_reads(strangers: Server) -> None:
    """KServe's client itself wants half a hundred packages; these are its calls."""
    get = strangers.client.get
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    ready = get("/v2/models/digits/ready").json()
    assert ready == {"name": "digits", "ready": True}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_folder_that_is_copied_in_answers_curl_within_two_polls(
    strangers: Server, tmp_path: Path
) -> None:
    saved_models.half_plus_two(tmp_path / "dropped_in" / "1")
    artifacts = strangers_folder(strangers)
    shutil.copytree(tmp_path / "dropped_in", artifacts / "dropped_in")
    # two polls see that it is whole; then it is loaded
    until(lambda: is_ready(strangers, "dropped_in"), seconds=2 * POLL_S + LOADING_S)
    for name in ("dropped_in", "half_plus_two"):
        url = f"{strangers.url}/v1/models/{name}:predict"
        answer = json.loads(curl("-d", '{"instances": [1.0, 2.0, 5.0]}', url))
        assert answer == {"predictions": [2.5, 3.0, 4.5]}


def strangers_folder(server: Server) -> Path:
    return server.log.parent / "artifacts"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (HALF, {"instances": [1, 2]}, {"predictions": [2.5, 3.0]}),
        (HALF, {"inputs": {"x": [1]}}, {"outputs": [2.5]}),
        (
            "/v1/models/half_plus_two/versions/1:predict",
            {"signature_name": "serving_default", "instances": [4]},
            {"predictions": [4.0]},
        ),
        (
            "/v1/models/two_inputs:predict",
            {"instances": [{"name": "you", "size": [1, 2]}]},
            {"predictions": [{"greeting": "hello you", "double": [2, 4]}]},
        ),
    ],
    ids=["rows", "columns", "version", "names"],
)
def test_tensorflow_servings_calls_are_answered(
    strangers: Server, path: str, body: Any, expected: Any
) -> None:
    text = json.dumps(body).encode()
    plain = strangers.client.post(path, content=text)
    packed = strangers.client.post(
        path, content=gzip.compress(text), headers={"content-encoding": "gzip"}
    )
    assert plain.json() == packed.json() == expected


def test_tensorflow_serving_s_digits_are_read(strangers: Server) -> None:
    with np.load(SAMPLE) as data:
        images, labels = data["images"][:8], data["labels"][:8]
    answer = strangers.client.post(
        "/v1/models/digits:predict", json={"instances": images.tolist()}
    ).json()
    found = [
        row["probabilities"] if isinstance(row, dict) else row
        for row in answer["predictions"]
    ]
    assert (np.argmax(found, 1) == labels).all()


def test_tensorflow_serving_s_status_and_metadata_are_told(strangers: Server) -> None:
    get = strangers.client.get
    for path in ("/v1/models/half_plus_two", "/v1/models/half_plus_two/versions/1"):
        (status,) = get(path).json()["model_version_status"]
        assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    facts = get("/v1/models/half_plus_two/metadata").json()
    assert facts["model_spec"]["name"] == "half_plus_two"
    assert "signature_def" in facts["metadata"]["signature_def"]
    missing = httpx.get(f"{strangers.url}/v1/models/nobody")
    assert missing.status_code == 404
    assert "nobody" in missing.json()["error"]

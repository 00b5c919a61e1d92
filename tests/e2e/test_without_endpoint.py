"""Models without a line of endpoint code are called by their tensors."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

DOCS = Path(__file__).parents[2] / "docs" / "models"


@pytest.fixture(autouse=True)
def _protocols(server: Server) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    if not any(path.endswith(":predict") for path in paths):
        pytest.skip("this service has no calls by tensors")


def call_of_the_page(model: str, server: Server) -> Any:
    """What the curl line of a model's page is answered."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    found = re.search(r"```\n(curl .*?)```", (DOCS / f"{model}.md").read_text(), re.S)
    assert found
    address = server.url.removeprefix("http://")
    words = shlex.split(found[1].replace("localhost:8000", address))
    answer = subprocess.run([*words, "--silent"], capture_output=True, check=True)
    return json.loads(answer.stdout)["predictions"]


def test_the_sine_as_its_page_calls_it(server: Server) -> None:
    assert call_of_the_page("sine", server) == pytest.approx([0, 1, 0], abs=0.02)


def test_churn_as_its_page_calls_it(server: Server) -> None:
    (probability,) = call_of_the_page("churn", server)
    assert 0.7 < probability < 1


def test_the_sine_by_the_open_inference_protocol(server: Server) -> None:
    x = {"name": "x", "shape": [2], "datatype": "FP32", "data": [0.0, 1.5707964]}

    answer = server.client.post("/v2/models/sine/infer", json={"inputs": [x]})

    (output,) = answer.json()["outputs"]
    assert (output["name"], output["shape"]) == ("y", [2])
    assert output["data"] == pytest.approx([0, 1], abs=0.02)

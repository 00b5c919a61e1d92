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


def call_of_the_page(model: str, path: str, server: Server) -> Any:
    """What the curl line of a model's page for this path is answered."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = (DOCS / f"{model}.md").read_text()
    lines = re.findall(r"```\n(curl [^`]*?)```", page)
    (line,) = (each for each in lines if path in each)
    address = server.url.removeprefix("http://")
    words = shlex.split(line.replace("localhost:8000", address).replace("\\\n", ""))
    answer = subprocess.run([*words, "--silent"], capture_output=True, check=True)
    return json.loads(answer.stdout)["predictions"]


def test_the_sine_as_its_page_calls_it(server: Server) -> None:
    tensors = call_of_the_page("sine", "/sine:predict", server)
    assert tensors == pytest.approx([0, 1, 0], abs=0.02)
    (typed,) = call_of_the_page("sine", "/predict/sine", server)
    assert typed["value"] == pytest.approx(1, abs=0.02)


def test_churn_as_its_page_calls_it(server: Server) -> None:
    (probability,) = call_of_the_page("churn", "/churn:predict", server)
    assert 0.7 < probability < 1
    (typed,) = call_of_the_page("churn", "/predict/churn", server)
    assert typed["label"] == "leaves"
    assert typed["score"] == pytest.approx(probability, abs=1e-5)


def test_the_sine_by_the_open_inference_protocol(server: Server) -> None:
    x = {"name": "x", "shape": [2], "datatype": "FP32", "data": [0.0, 1.5707964]}

    answer = server.client.post("/v2/models/sine/infer", json={"inputs": [x]})

    (output,) = answer.json()["outputs"]
    assert (output["name"], output["shape"]) == ("y", [2])
    assert output["data"] == pytest.approx([0, 1], abs=0.02)


def test_every_declared_example_is_answered_as_it_says(server: Server) -> None:
    tried = set()
    models = server.client.get("/v1/models").json()["models"]
    for name in (each["name"] for each in models):
        task = server.client.get(f"/v1/models/{name}").json().get("task")
        for example in task["examples"] if task else ():
            answer = server.client.post(f"/v1/predict/{name}", json=example["request"])
            assert answer.status_code == 200, answer.text
            (prediction,) = answer.json()["predictions"]
            assert example["answer"].items() <= prediction.items(), (name, prediction)
            tried.add(name)
    assert tried >= {"churn", "sine"}

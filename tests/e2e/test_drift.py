"""What a real service counts of its answers, and writes down; what the command says."""

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner

from service.cli import cli
from service.rpc.generated import open_inference_pb2 as protocol
from tests.e2e.conftest import ARTIFACTS, to_base64, to_png
from tests.e2e.server import Server, free_port, until
from tests.e2e.test_operations import metric

pytestmark = pytest.mark.slow

PROCESSES = 2
MODELS = {"digits": 2, "churn": 2, "sine": 2, "party": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what is recorded; with traps in the places of two models' folders."""
    folder = tmp_path_factory.mktemp("drift")
    (folder / "elsewhere").mkdir()
    (folder / "drift").mkdir()
    (folder / "drift" / "party").symlink_to(folder / "elsewhere")
    return folder / "drift"


@pytest.fixture(scope="module")
def recording(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A service that writes down all that it is asked."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    for name, version in MODELS.items():
        home = ARTIFACTS / name / str(version)
        shutil.copytree(home, artifacts / name / str(version))
    settings = {
        "artifacts": artifacts,
        "runtime": "tensorflow",  # which is there sooner
        "http_processes": PROCESSES,
        "grpc_port": free_port(),
        "drift_share": 1.0,
        "drift_folder": folder,
    }
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, **settings) as started:
        started.wait_ready()
        yield started


def counted(server: Server, model: str, label: str) -> float:
    name = "servery_version_predictions_total"
    return metric(server, name, model=model, version=str(MODELS[model]), label=label)


def written(server: Server, model: str, what: str) -> float:
    return metric(server, "servery_drift_rows_total", model=model, outcome=what)


def lines(folder: Path, model: str) -> list[dict[str, Any]]:
    files = sorted((folder / model).glob("*.jsonl"))
    texts = [each.read_text() for each in files]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def drift(server: Server, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["drift", "--url", server.url, *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def ask_digits(server: Server, images: np.ndarray, digits: list[int]) -> None:
    body = {"images": [to_base64(to_png(each)) for each in images]}
    answer = server.client.post("/v1/predict/digits", json=body)
    found = [each["digit"] for each in answer.json()["predictions"]]
    assert found == digits


def test_every_row_is_counted_whoever_answers_it(
    recording: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample
    sevens = images[labels == 7][:4]
    before = counted(recording, "digits", "7") if recording.log_lines(rows=4) else 0
    for _ in range(6):  # each on a connection of its own, so that both processes answer
        with_close = {"connection": "close", "content-type": "image/png"}
        png = to_png(sevens[0])
        path = "/v1/predict/digits"
        answer = recording.client.post(path, content=png, headers=with_close)
        assert answer.json()["predictions"][0]["digit"] == 7
    ask_digits(recording, sevens, [7] * 4)
    until(lambda: counted(recording, "digits", "7") == before + 10)


def test_other_protocols_are_counted_alike(recording: Server) -> None:
    x = [0.1, 0.2, 1.5]
    post = recording.client.post
    assert post("/v1/models/sine:predict", json={"instances": x}).status_code == 200
    tensor = {"name": "x", "shape": [3], "datatype": "FP32", "data": x}
    answer = post("/v2/models/sine/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200
    record = {"record": {"x": 0.1}}
    assert post("/v1/predict/sine", json=record).status_code == 200
    assert infer_by_grpc(recording, x) == 3
    until(lambda: written(recording, "sine", "recorded") >= 10)
    names = [each["label"] for each in recording_reference(recording, "sine")]
    assert sum(counted(recording, "sine", each) for each in names) == 10


def infer_by_grpc(server: Server, x: list[float]) -> int:
    """Ask for these, and give how many were answered."""
    request = protocol.ModelInferRequest(model_name="sine")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[len(x)])
    tensor.contents.fp32_contents.extend(x)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=protocol.ModelInferRequest.SerializeToString,
            response_deserializer=protocol.ModelInferResponse.FromString,
        )
        answer = ask(request, timeout=30)
    return int(answer.outputs[0].shape[0])


def recording_reference(server: Server, model: str) -> list[dict[str, Any]]:
    (version,) = server.client.get(f"/v1/models/{model}").json()["versions"]
    return [{"label": each} for each in version["reference"]["groups"]]


def test_what_was_asked_is_written_down_privately(
    recording: Server, folder: Path
) -> None:
    task = recording.client.get("/v1/models/churn").json()["task"]
    example = task["examples"][0]["request"]
    answer = recording.client.post("/v1/predict/churn", json=example)
    assert answer.status_code == 200
    until(lambda: written(recording, "churn", "recorded") >= 1)
    line = lines(folder, "churn")[-1]
    assert line["inputs"]["geography"] == example["record"]["geography"]
    assert line["label"] == answer.json()["predictions"][0]["label"]
    assert line["request_id"] == answer.headers["x-request-id"]
    for file in folder.glob("*/*.jsonl"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_picture_is_written_down(recording: Server, folder: Path) -> None:
    until(lambda: written(recording, "digits", "recorded") >= 10)
    for line in lines(folder, "digits"):
        for said in line["inputs"].values():
            assert set(said) == {"size", "mean", "deviation", "least", "most"}


def test_a_trap_in_the_folder_disturbs_no_request(
    recording: Server, folder: Path
) -> None:
    votes = {"votes": {"physician-fee-freeze": "nay"}}
    for _ in range(3):
        answer = recording.client.post("/v1/predict/party", json=votes)
        assert answer.status_code == 200
    until(lambda: written(recording, "party", "failed") == 3)
    assert list((folder.parent / "elsewhere").iterdir()) == []
    assert counted(recording, "party", "democrat") == 3
    said = recording.log_lines(level="warning")
    assert any("is not written down" in each["message"] for each in said)


def test_the_command_reports_a_running_service(recording: Server) -> None:
    assert "digits 2: " in drift(recording)
    (found,) = json.loads(drift(recording, "digits", "--json"))
    until(lambda: written(recording, "digits", "recorded") >= 10)
    assert found["reference_rows"] == 64
    assert found["expected_confidence"] == pytest.approx(0.98838, abs=1e-5)
    assert {each["name"]: each["rows"] for each in found["groups"]}["7"] >= 10


def test_the_command_says_which_model_it_does_not_know(recording: Server) -> None:
    done = CliRunner().invoke(cli, ["drift", "cats", "--url", recording.url])
    assert done.exit_code == 1
    assert "No model is named 'cats'" in done.output


def test_a_shift_is_seen_by_the_command(
    recording: Server, folder: Path, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample
    ones = images[labels == 1][:1].repeat(100, axis=0)
    for _ in range(3):
        ask_digits(recording, ones, [1] * 100)
    until(lambda: counted(recording, "digits", "1") >= 300)
    (found,) = json.loads(drift(recording, "digits", "--json"))
    assert found["verdict"] == "another population"
    until(lambda: written(recording, "digits", "recorded") >= 310)
    said = drift(
        recording, "digits", "--folder", str(folder), "--artifacts", "artifacts"
    )
    assert "another population" in said
    assert "input images.mean: PSI" in said


def test_the_reference_is_shown_with_the_model(recording: Server) -> None:
    (version,) = recording.client.get("/v1/models/digits").json()["versions"]
    assert version["reference"]["source"] == "64 samples that it carries (held-out)"

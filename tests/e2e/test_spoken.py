"""Spoken digits by the real service: its declared task is all there is of code."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import soxr
from click.testing import CliRunner

import servery
from loadtest.commands import cli as loadtest
from service.contract.manifest import read_manifest
from tests.e2e.conftest import ARTIFACTS, serving_alone
from tests.e2e.server import Server

PATH = "/v1/predict/spoken"
RECORDINGS = sorted((Path(__file__).parents[1] / "data" / "spoken").glob("*.wav"))
RATE = 8000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_alone("spoken", tmp_path_factory, http_processes=1) as started:
        yield started


def read(path: Path) -> tuple[np.ndarray, str]:
    """A recording, and what is said in it."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return samples, path.name[0]


def encode(samples: np.ndarray, rate: int, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def send(server: Server, data: bytes) -> httpx.Response:
    return server.client.post(PATH, content=data, headers={"content-type": "audio/x"})


def hear(server: Server, data: bytes) -> dict[str, Any]:
    response = send(server, data)
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["predictions"]
    found: dict[str, Any] = prediction
    return found


def test_each_recording_is_heard_with_ten_probabilities(server: Server) -> None:
    for path in RECORDINGS:
        found = hear(server, path.read_bytes())
        assert found["label"] == path.name[0]
        assert sorted(each["label"] for each in found["classes"]) == [*"0123456789"]
        assert 0.5 < sum(each["score"] for each in found["classes"]) <= 1.00001
        assert "warning" not in found


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_every_kind_of_file_and_rate_is_heard(
    server: Server, kind: str, rate: int
) -> None:
    for path in RECORDINGS:
        samples, said = read(path)
        there = soxr.resample(samples, RATE, rate)
        stereo = np.stack([there, there], axis=1)
        assert hear(server, encode(stereo, rate, kind))["label"] == said


def test_a_word_in_the_middle_of_a_held_button_is_heard(server: Server) -> None:
    rng = np.random.default_rng(0)
    for path in RECORDINGS:
        samples, said = read(path)
        held = 0.01 * np.abs(samples).max() * rng.standard_normal(3 * RATE)
        held[RATE : RATE + len(samples)] += samples
        assert hear(server, encode(held, RATE))["label"] == said


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.1 * rng.standard_normal(round(seconds * RATE))


def chord(seconds: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    waves = [np.sin(2 * np.pi * hertz * times) for hertz in (262, 330, 392, 523)]
    faded: np.ndarray = 0.2 * np.sum(waves, axis=0) * np.exp(-times)
    return faded


@pytest.mark.parametrize("make", [quiet, noise, chord])
@pytest.mark.parametrize("seconds", [0.3, 2, 10])
def test_what_is_no_speech_gets_a_warning(
    server: Server, make: Any, seconds: float
) -> None:
    found = hear(server, encode(make(seconds), RATE))
    assert "No class has a score of 0.5 or more" in found["warning"]


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"three", 422, "expected a WAV, FLAC, OGG or MP3 file, received 5 bytes"),
        (encode(quiet(0), RATE), 422, "The sound is empty: expected samples"),
        (encode(quiet(600), RATE, "FLAC"), 413, "at most 10 s, received 600.0 s"),
        (encode(quiet(10.1), RATE), 413, "at most 10 s, received 10.1 s"),
        (RECORDINGS[0].read_bytes()[:1000], 422, "damaged or cut short"),
        (encode(quiet(1), 192_000), 422, "expected 1,000 to 96,000 samples"),
    ],
    ids=["no sound", "no samples", "ten minutes", "too long", "cut", "too fast"],
)
def test_bad_input_is_told_what_was_expected(
    server: Server, data: bytes, status: int, words: str
) -> None:
    response = send(server, data)
    assert (response.status_code, words in response.json()["error"]) == (status, True)


def test_the_declared_examples_come_out_as_declared(server: Server) -> None:
    task: Any = read_manifest(ARTIFACTS / "spoken" / "1").task
    assert len(task.examples) == 2
    for example in task.examples:
        answer = server.client.post(PATH, json=example.request).json()
        assert answer["predictions"][0]["label"] == example.answer["label"]


def test_several_are_heard_by_the_client_and_as_tensors(server: Server) -> None:
    with servery.Client(server.url) as client:
        found = client.predict("spoken", [str(path) for path in RECORDINGS])
        assert [each.label for each in found] == [path.name[0] for path in RECORDINGS]
    texts = [base64.b64encode(path.read_bytes()).decode() for path in RECORDINGS]
    answer = server.client.post(PATH, json={"audios": texts}).json()
    assert len(answer["predictions"]) == len(RECORDINGS)


def test_it_can_be_loaded(server: Server) -> None:
    words = ["run", "--url", server.url, "--mix", "spoken", "--duration", "1s"]
    words += ["--warmup", "0", "--connections", "2", "--assert", "errors<=0%"]
    done = CliRunner().invoke(loadtest, words)
    assert done.exit_code == 0, done.output

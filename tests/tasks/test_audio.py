"""Sounds to classes, by models that only declare what they do."""

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.models.predicting import Application, accepted, refused
from tests.tasks.tiny import RATE, write_sounds

PATH = "/v1/predict/sounds"
FORMATS = ("WAV", "FLAC", "OGG", "MP3")


def tone(hertz: float, rate: int = RATE, seconds: float = 0.5) -> np.ndarray:
    """A sine, float64 (samples,)."""
    wave: np.ndarray = np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return 0.5 * wave


def encode(samples: np.ndarray, rate: int = RATE, kind: str = "WAV") -> bytes:
    """The file of float (samples,), or (samples, channels)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def send(application: Application, data: bytes, path: str = PATH) -> httpx.Response:
    return application.ask(path, content=data, headers={"content-type": "audio/x"})


def hear(application: Application, data: bytes, path: str = PATH) -> str:
    """The label of the only prediction."""
    (prediction,) = accepted(send(application, data, path))["predictions"]
    label: str = prediction["label"]
    return label


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("hertz", "label"), [(300, "low"), (3000, "high")])
def test_every_format_is_heard(
    application: Application, kind: str, hertz: float, label: str
) -> None:
    assert hear(application, encode(tone(hertz, 16_000), 16_000, kind)) == label


@pytest.mark.parametrize("rate", [6000, 8000, 11_025, 44_099, 96_000])
def test_every_rate_is_brought_to_the_model_s(
    application: Application, rate: int
) -> None:
    for hertz, label in ((300, "low"), (2500, "high")):
        assert hear(application, encode(tone(hertz, rate), rate)) == label


def test_what_the_model_s_rate_cannot_hold_is_filtered_out(
    application: Application,
) -> None:
    """11 kHz at 24 kHz would sound as 5 kHz, were only samples left out."""
    assert hear(application, encode(tone(11_000, 24_000), 24_000)) == "silence"


def test_channels_are_mixed(application: Application) -> None:
    wave = tone(300)
    assert hear(application, encode(np.stack([wave, -wave], 1))) == "silence"
    assert hear(application, encode(np.stack([wave, wave, wave], 1))) == "low"


def test_the_beginning_is_what_counts(application: Application) -> None:
    low, high = tone(300), tone(3000)
    assert hear(application, encode(np.concatenate([low, high]))) == "low"
    assert hear(application, encode(np.concatenate([high, low]))) == "high"


def test_a_short_sound_is_followed_by_silence(application: Application) -> None:
    assert hear(application, encode(tone(300, seconds=0.001))) == "silence"


def test_the_scores_are_what_was_declared(application: Application) -> None:
    answer = accepted(send(application, encode(tone(300))))
    assert answer["model"] == "sounds"
    (prediction,) = answer["predictions"]
    scores = [each["score"] for each in prediction["classes"]]
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert scores == sorted(scores, reverse=True)


def test_whole_numbers_are_given_to_a_model_that_takes_them(
    application: Application,
) -> None:
    path = "/v1/predict/peaks"
    assert hear(application, encode(np.full(50, 0.4)), path) == "quiet"
    assert hear(application, encode(np.full(50, -0.9) * [-1]), path) == "loud"


def test_a_warning_is_due_where_no_score_is_as_high_as_declared(
    application: Application,
) -> None:
    def warned(level: float) -> str | None:
        answer = send(application, encode(np.full(50, level)), "/v1/predict/peaks")
        (prediction,) = accepted(answer)["predictions"]
        said: str | None = prediction.get("warning")
        return said

    assert warned(0.05) is None
    assert "No class has a score of 0.75 or more" in (warned(0.6) or "")
    assert warned(0.9) is None


def test_what_is_longer_than_declared_is_refused_and_not_cut(
    application: Application,
) -> None:
    path = "/v1/predict/peaks"
    assert hear(application, encode(np.zeros(2 * RATE)), path) == "quiet"
    data = encode(np.zeros(2 * RATE + 1000))
    said = refused(send(application, data, path), 413, "audio_too_large")
    assert "expected at most 2 s, received 2.1 s" in said


def test_several_come_as_a_form_or_in_json(application: Application) -> None:
    sounds = [encode(tone(hertz)) for hertz in (300, 3000)]
    files = [("file", ("sound.wav", each, "audio/wav")) for each in sounds]
    texts = [base64.b64encode(each).decode() for each in sounds]
    for request in ({"files": files}, {"json": {"audios": texts}}):
        predictions = accepted(application.ask(PATH, **request))["predictions"]
        assert [each["label"] for each in predictions] == ["low", "high"]
    one = accepted(application.ask(PATH, json={"audio": texts[1]}))
    assert one["predictions"][0]["label"] == "high"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.4, 0.95])
def test_what_is_cut_short_is_refused(
    application: Application, kind: str, share: float
) -> None:
    data = encode(tone(300, seconds=0.05), kind=kind)
    cut = data[: int(len(data) * share)]
    said = refused(send(application, cut), 422, "invalid_audio")
    assert "damaged" in said


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "expected a WAV, FLAC, OGG or MP3 file, received 0 bytes"),
        (b"do re mi", "received 8 bytes of text that begin with 'do re mi'"),
        (b"\x89PNG\r\n\x1a\n", "received a PNG image"),
        (b"RIFF\x24\0\0\0WAVEjunkjunkjunk", "received one that is damaged"),
        (b"\xff\xfb" + bytes(2000), "received one that is damaged"),
        (b"FORM\0\0\0\0AIFF", "expected a WAV, FLAC, OGG or MP3 file"),
        (encode(np.zeros(0)), "expected samples, received 0"),
        (encode(tone(300, 192_000), 192_000), "expected 1,000 to 96,000 samples"),
        (encode(tone(300, 500), 500), "a second, received 500"),
    ],
    ids=[
        *("nothing", "text", "picture", "head alone", "frame alone", "AIFF"),
        *("no samples", "too fast", "too slow"),
    ],
)
def test_what_is_no_sound_is_refused(
    application: Application, data: bytes, words: str
) -> None:
    assert words in refused(send(application, data), 422, "invalid_audio")


def test_samples_that_are_no_numbers_are_refused(application: Application) -> None:
    file = io.BytesIO()
    samples = np.full(800, np.nan, np.float32)
    soundfile.write(file, samples, RATE, format="WAV", subtype="FLOAT")
    said = refused(send(application, file.getvalue()), 422, "invalid_audio")
    assert "expected finite samples" in said


def test_ten_minutes_are_refused_before_they_are_decoded(
    application: Application,
) -> None:
    data = encode(np.zeros(RATE * 600), kind="FLAC")
    said = refused(send(application, data), 413, "audio_too_large")
    assert "expected at most 300 s, received 600.0 s" in said


def test_of_a_file_that_is_large_once_decoded_only_the_beginning_is(
    application: Application,
) -> None:
    """1 GB of samples in 100 kB, of which the model looks at a tenth of a second."""
    silence = np.zeros((96_000 * 290, 1), np.int16)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 96_000, 8, format="FLAC") as writer:
        for _ in range(290):
            writer.write(np.broadcast_to(silence[:96_000], (96_000, 8)))
    assert hear(application, file.getvalue()) == "silence"


def test_a_request_s_sounds_have_a_limit_together(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    artifacts = tmp_path_factory.mktemp("artifacts")
    write_sounds(artifacts)
    application = Application(artifacts, max_request_samples=1500)
    sound = base64.b64encode(encode(tone(300, seconds=0.1))).decode()
    accepted(application.ask(PATH, json={"audio": sound}))
    said = refused(
        application.ask(PATH, json={"audios": [sound, sound]}), 413, "audio_too_large"
    )
    application.close()
    assert "Sound 1: " in said
    assert "expected at most 700 samples more, received 800" in said


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({}, 422, "invalid_input", "either audio or audios, received neither"),
        ({"audio": 5}, 422, "invalid_input", "expected base64 text"),
        ({"audios": ["bm8="] * 65}, 413, "too_many_rows", "at most 64"),
        ({"image": "bm8="}, 422, "invalid_input", "not permitted"),
    ],
    ids=["nothing", "no base64", "too many", "a picture"],
)
def test_another_json_is_refused(
    application: Application, body: Any, status: int, code: str, words: str
) -> None:
    assert words in refused(application.ask(PATH, json=body), status, code)


def test_of_several_the_wrong_one_is_named(application: Application) -> None:
    right = base64.b64encode(encode(tone(300))).decode()
    response = application.ask(PATH, json={"audios": [right, "bm8="]})
    body = json.loads(refused(response, 422, "invalid_audio"))
    assert body["error"].startswith("Sound 1: ")
    assert body["details"][0]["field"] == "audios.1"


def test_it_is_described(application: Application) -> None:
    operation = application.get("/openapi.json").json()["paths"][PATH]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data", "audio/*"}
    example = content["application/json"]["example"]
    accepted(application.ask(PATH, json=example))

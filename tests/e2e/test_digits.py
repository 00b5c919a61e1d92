"""Digits in photos, numbers, and what is no digit, on the real server."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.models.digits.form import is_prepared
from tests.e2e.conftest import NEWEST_DIGITS, to_png
from tests.e2e.server import Server
from training.models.digits.strokes import Glyph, draw, draw_letter, letter

PATH = "/v1/predict/digits"
DATA = Path(__file__).parents[1] / "data"
SCENES = sorted(path for path in (DATA / "scenes").iterdir() if path.suffix != ".md")
BLANKS = ["blank-faint.png", "blank-gradient.png", "blank-paper.jpg"]

pytestmark = pytest.mark.slow


def predict(server: Server, data: bytes, **query: Any) -> dict[str, Any]:
    response = server.client.post(PATH, files={"file": data}, params=query)
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["predictions"]
    found: dict[str, Any] = prediction
    return found


def truth(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def on_paper(glyph: Glyph, pen: float = 8, size: int = 400) -> bytes:
    """Dark ink on white, as PNG."""
    middle = np.array([size * 0.45, size * 0.55], np.float32)
    ink = draw(glyph, (size, size), middle, size * 0.35, pen)
    return to_png((245 - ink * 0.8).astype(np.uint8))


def number_on_paper(images: np.ndarray) -> bytes:
    """MNIST's digits side by side on cream paper, as PNG."""
    large = [
        np.asarray(Image.fromarray(each).resize((84, 84), Image.Resampling.BICUBIC))
        for each in images
    ]
    paper = np.full((400, 600), 235, np.uint8)
    row = np.concatenate([each[:, 6:78] for each in large], axis=1)
    paper[150:234, 120 : 120 + row.shape[1]] -= (row * 0.75).astype(np.uint8)
    return to_png(paper)


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_photo_that_was_misread_is_read_or_doubted(server: Server, path: Path) -> None:
    found = predict(server, path.read_bytes())
    assert found["digit"] == truth(path) or "warning" in found


def test_most_of_these_photos_are_read(server: Server) -> None:
    right = [
        predict(server, path.read_bytes())["digit"] == truth(path) for path in SCENES
    ]
    assert sum(right) >= len(right) - 2


def test_eleven_probabilities_add_up(server: Server, seven: bytes) -> None:
    found = predict(server, seven)
    assert len(found["probabilities"]) == 10
    assert sum(found["probabilities"]) + found["no_digit"] == pytest.approx(1, abs=1e-4)
    assert found["no_digit"] < 0.01
    assert "warning" not in found


def test_good_digits_are_not_doubted(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    files = [("file", to_png(image)) for image in sample[0][:200]]
    predictions = server.client.post(PATH, files=files).json()["predictions"]
    assert sum("warning" in each for each in predictions) <= 3


def test_letters_are_doubted(server: Server) -> None:
    random = np.random.default_rng(12)
    files = [("file", on_paper(draw_letter(random))) for _ in range(60)]
    predictions = server.client.post(PATH, files=files).json()["predictions"]
    assert sum("warning" in each for each in predictions) >= 50


@pytest.mark.parametrize("name", BLANKS)
def test_paper_without_a_digit_is_doubted(server: Server, name: str) -> None:
    found = predict(server, (DATA / "images" / name).read_bytes())
    assert found["no_digit"] > 0.5
    assert "No handwriting" in found["warning"]


@pytest.mark.parametrize(
    "version",
    [
        3,
        pytest.param(
            NEWEST_DIGITS,
            marks=pytest.mark.xfail(reason="122 pixels, one of the finder's more"),
        ),
    ],
)
def test_what_the_model_saw_is_shown_and_where(server: Server, version: int) -> None:
    path = DATA / "scenes" / "circled-5.jpg"
    found = predict(server, path.read_bytes(), prepared=True, version=version)
    box = found["box"]
    assert box["width"] < 120  # the ring is twice as wide
    assert 200 < box["left"] < box["left"] + box["width"] < 400
    shown = Image.open(io.BytesIO(base64.b64decode(found["prepared"])))
    assert is_prepared(np.asarray(shown))


def test_a_digit_in_its_form_is_shown_as_it_came(server: Server, seven: bytes) -> None:
    found = predict(server, seven, prepared=True)
    shown = Image.open(io.BytesIO(base64.b64decode(found["prepared"])))
    assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(seven))))
    assert 4 <= found["box"]["left"] <= 12


def test_numbers_are_read_in_order(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample
    right = 0
    for start in range(0, 256, 4):
        found = predict(server, number_on_paper(images[start : start + 4]), many=True)
        expected = "".join(map(str, labels[start : start + 4]))
        right += found["number"] == expected
        lefts = [each["box"]["left"] for each in found["digits"]]
        assert lefts == sorted(lefts)
    assert right >= 51  # of 64


def test_one_digit_of_several_is_answered_with_a_warning(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    found = predict(server, number_on_paper(sample[0][:3]))
    assert "many=true" in found["warning"]


def test_no_number_is_said_to_be_none(server: Server) -> None:
    found = predict(server, (DATA / "images" / "blank-paper.jpg").read_bytes(), many=1)
    assert found == {"number": "", "digits": [], "warning": found["warning"]}


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda: on_paper(letter("W", "futural")), id="letter"),
        pytest.param(lambda: on_paper(letter("M", "futural")), id="another letter"),
        pytest.param(
            lambda: (DATA / "images" / "blank-paper.jpg").read_bytes(), id="nothing"
        ),
    ],
)
def test_one_bad_picture_leaves_the_others_of_a_request_alone(
    server: Server, seven: bytes, write: Callable[[], bytes]
) -> None:
    scene = (DATA / "scenes" / "blinds-3.jpg").read_bytes()
    files = [("file", each) for each in (seven, write(), scene, seven)]
    predictions = server.client.post(PATH, files=files).json()["predictions"]
    assert [predictions[at]["digit"] for at in (0, 2, 3)] == [7, 3, 7]
    assert "warning" in predictions[1]
    assert "warning" not in predictions[0]


def test_version_that_finds_nothing_reads_what_is_in_its_form(
    server: Server, seven: bytes
) -> None:
    assert predict(server, seven, version=1)["digit"] == 7
    photo = (DATA / "scenes" / "blinds-3.jpg").read_bytes()
    response = server.client.post(PATH, files={"file": photo}, params={"version": 1})
    assert response.status_code == 422
    assert "expected images in MNIST's form" in response.json()["error"]

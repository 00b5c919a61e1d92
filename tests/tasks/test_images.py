"""Pictures in the size, the colours and the range that a model declares."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.web.imaging.sized import resized
from tests.models.predicting import Application, accepted, refused

PNG = {"content-type": "image/png"}


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "png")
    return file.getvalue()


def plain(colour: tuple[int, ...], size: tuple[int, int] = (40, 30)) -> bytes:
    return png(np.full((*size, 3), colour))


def ask(application: Application, path: str, **request: Any) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = accepted(
        application.ask(f"/v1/predict/{path}", **request)
    )["predictions"]
    return predictions


def test_a_picture_becomes_classes_with_scores(application: Application) -> None:
    (found,) = ask(application, "light", content=plain((0, 255, 51)), headers=PNG)
    assert found["label"] == "green"
    assert [each["label"] for each in found["classes"]] == ["green", "blue"]
    powers = np.exp([0, 10, 2])
    assert found["score"] == pytest.approx(powers[1] / powers.sum(), abs=1e-6)


@pytest.mark.parametrize(("asked", "told"), [(1, 1), (3, 3), (1000, 3)])
def test_a_caller_may_want_more_classes_or_fewer(
    application: Application, asked: int, told: int
) -> None:
    path = f"light?top_k={asked}"
    (found,) = ask(application, path, content=plain((9, 9, 9)), headers=PNG)
    assert len(found["classes"]) == told


def test_a_grey_model_sees_grey_in_its_own_range(application: Application) -> None:
    files = [("file", ("a.png", plain((each,) * 3))) for each in (0, 255, 51)]
    found = ask(application, "grey", files=files)
    assert [each["label"] for each in found] == ["dark", "bright", "dark"]
    assert [each["classes"][0]["score"] for each in found] == pytest.approx(
        [1, 1, 0.8], abs=1e-6
    )


def test_what_is_no_picture_is_told_so(application: Application) -> None:
    answer = application.ask("/v1/predict/light", content=b"GIF89a no", headers=PNG)
    refused(answer, 422, "invalid_image")


@pytest.mark.parametrize(
    ("how", "corner", "middle"),
    [("crop", 200, 200), ("fit", 0, 200), ("stretch", 100, 200)],
)
def test_a_picture_of_other_proportions_is_brought_to_the_models(
    how: Any, corner: int, middle: int
) -> None:
    wide = np.full((20, 60), 100, np.uint8)
    wide[:, 20:40] = 200
    found = np.asarray(resized(Image.fromarray(wide), (20, 20), how))
    assert found.shape == (20, 20)
    assert found[0, 0] == corner
    assert found[10, 10] == middle

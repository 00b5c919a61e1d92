"""Pictures to masks, by models that only declare what they do."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError
from service.contract.task import ImageSegmentation, check_task
from tests.models.predicting import Application, accepted, read_png, refused

PATH = "/v1/predict/shades"
PNG = {"content-type": "image/png"}


def png(shades: Any) -> bytes:
    """The file of a picture of these shades."""
    file = io.BytesIO()
    Image.fromarray(np.array(shades, np.uint8)).save(file, "PNG")
    return file.getvalue()


STRIPES = np.repeat(np.repeat([[0, 0, 127, 255]], 8, axis=0), 3, axis=1)
"""(8, 12): half dark, a quarter each of the others."""


def test_each_pixel_is_the_number_of_its_class(application: Application) -> None:
    answer = accepted(application.ask(PATH, content=png(STRIPES), headers=PNG))

    assert (answer["model"], answer["version"]) == ("shades", 1)
    (prediction,) = answer["predictions"]
    mask = read_png(prediction["mask"])
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0] * 6 + [1] * 3 + [2] * 3] * 8
    assert (prediction["width"], prediction["height"]) == (12, 8)


def test_shares_are_of_all_classes_and_the_largest_is_first(
    application: Application,
) -> None:
    pictures = [png(STRIPES), png(np.full((8, 12), 255))]
    body = {"images": [base64.b64encode(each).decode() for each in pictures]}
    predictions = accepted(application.ask(PATH, json=body))["predictions"]
    shares = [
        [(each["label"], each["score"]) for each in prediction["shares"]]
        for prediction in predictions
    ]
    assert shares == [
        [("dark", 0.5), ("middle", 0.25), ("light", 0.25)],
        [("light", 1.0), ("dark", 0.0), ("middle", 0.0)],
    ]


def test_a_large_picture_has_a_mask_of_the_model_s_size(
    application: Application,
) -> None:
    large = STRIPES.repeat(50, axis=0).repeat(50, axis=1)
    file = ("file", ("photo.png", png(large), "image/png"))
    (prediction,) = accepted(application.ask(PATH, files=[file]))["predictions"]
    assert (prediction["width"], prediction["height"]) == (12, 8)
    assert prediction["shares"][0] == {"label": "dark", "score": 0.5}


def test_the_mask_alone_is_a_png(application: Application) -> None:
    accept = PNG | {"accept": "image/png"}
    response = application.ask(PATH, content=png(STRIPES), headers=accept)
    assert response.headers["content-type"] == "image/png"
    assert read_png(response.content).shape == (8, 12)


def test_several_masks_are_no_png(application: Application) -> None:
    image = base64.b64encode(png(STRIPES)).decode()
    said = refused(
        application.ask(
            PATH, json={"images": [image] * 2}, headers={"accept": "image/png"}
        ),
        406,
        "not_acceptable",
    )
    assert "expected application/json for several images" in said


@pytest.mark.parametrize(
    ("shade", "label"), [(0, "ink"), (100, "ink"), (200, "paper"), (255, "paper")]
)
def test_one_channel_tells_the_second_of_two_classes(
    application: Application, shade: int, label: str
) -> None:
    picture = png(np.full((9, 9, 3), shade))
    answer = application.ask("/v1/predict/ink", content=picture, headers=PNG)
    (prediction,) = accepted(answer)["predictions"]
    assert prediction["shares"][0] == {"label": label, "score": 1.0}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({}, 422, "invalid_input", "either image or images, received neither"),
        ({"image": "%%"}, 422, "invalid_input", "expected base64"),
        ({"image": "bm8="}, 422, "invalid_image", "expected a JPEG"),
        ({"images": ["bm8="] * 65}, 413, "too_many_rows", "at most 64"),
        ({"image": "bm8=", "size": 1}, 422, "invalid_input", "not permitted"),
    ],
    ids=["nothing", "no base64", "no picture", "too many", "unknown field"],
)
def test_what_is_no_picture_is_refused(
    application: Application, body: Any, status: int, code: str, words: str
) -> None:
    assert words in refused(application.ask(PATH, json=body), status, code)


def test_another_body_is_refused(application: Application) -> None:
    headers = {"content-type": "text/plain"}
    response = application.ask(PATH, content=b"a picture", headers=headers)
    refused(response, 415, "unsupported_media_type")


def test_it_is_described(application: Application) -> None:
    paths = application.get("/openapi.json").json()["paths"]
    operation = paths[PATH]["post"]
    content = operation["responses"]["200"]["content"]
    assert set(content) == {"application/json", "image/png"}
    example = operation["requestBody"]["content"]["application/json"]["example"]
    accepted(application.ask(PATH, json=example))


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((None, 8, 12, 3), ("dark", "light")),
        ((None, 8, 12, 1), ("dark", "middle", "light")),
        ((None, 3), ("dark", "middle", "light")),
        ((None, 8, 12, 1), ("dark",)),
        ((None, 8, 12, 300), tuple(map(str, range(300)))),
    ],
    ids=["more channels", "one channel", "no picture", "one label", "300 labels"],
)
def test_a_declaration_that_the_outputs_are_not_of_is_refused(
    shape: tuple[int | None, ...], labels: tuple[str, ...]
) -> None:
    image = TensorSpec(name="image", dtype="uint8", shape=(None, 8, 12))
    scores = TensorSpec(name="scores", dtype="float32", shape=shape)
    signature = Signature(inputs=(image,), outputs=(scores,))
    task = ImageSegmentation(size=(8, 12), colour="grey")
    with pytest.raises(TaskError, match=r"expected .*, received"):
        check_task(task, {"serving_default": signature}, labels)

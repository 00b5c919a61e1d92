"""Pictures of any size in tiles, and the things in them, by models that declare it."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError
from service.contract.task import ImageSegmentation, check_task
from service.tasks.masks import OUTLINE
from tests.models.predicting import Application, accepted, read_png, refused
from tests.tasks.test_segmentation import PNG, png

DOTS, SPOTS = "/v1/predict/dots", "/v1/predict/spots"


def draw_dots() -> np.ndarray:
    """(30, 34): three squares of 6×6, two of which touch, with white middles."""
    picture = np.zeros((30, 34), np.uint8)
    for top, left in ((3, 4), (3, 10), (19, 27)):
        picture[top : top + 6, left : left + 6] = 200
        picture[top + 2 : top + 4, left + 2 : left + 4] = 255
    return picture


def ask(application: Application, path: str, picture: np.ndarray) -> dict[str, Any]:
    answer = accepted(application.ask(path, content=png(picture), headers=PNG))
    prediction: dict[str, Any] = answer["predictions"][0]
    return prediction


def see(picture: np.ndarray) -> np.ndarray:
    """What `dots` says of a picture as a whole, where its edge is dark."""
    padded = np.pad(picture / 255, 1)
    height, width = picture.shape
    shifted = [
        padded[row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    seen: np.ndarray = np.mean(shifted, axis=0) >= 0.5
    return seen


def test_tiles_are_joined_to_what_the_whole_would_be(application: Application) -> None:
    picture = np.zeros((33, 36), np.uint8)
    rng = np.random.default_rng(0)
    picture[1:-1, 1:-1] = rng.integers(0, 255, (31, 34))

    prediction = ask(application, DOTS, picture)

    assert (prediction["width"], prediction["height"]) == (36, 33)
    assert (read_png(prediction["mask"]) == see(picture)).all()


def test_things_that_touch_are_counted_by_their_cores(application: Application) -> None:
    prediction = ask(application, DOTS, draw_dots())

    assert prediction["count"] == 3
    places = [(each["x"], each["y"]) for each in prediction["instances"]]
    assert sorted(places) == [(6.6, 5.5), (12.4, 5.5), (29.5, 21.5)]
    assert {each["label"] for each in prediction["instances"]} == {"dot"}
    share = prediction["shares"][1]["score"]
    areas = [each["area"] for each in prediction["instances"]]
    assert sum(areas) == round(share * 30 * 34)
    assert areas == sorted(areas, reverse=True)


def test_without_cores_things_that_touch_are_one(application: Application) -> None:
    assert ask(application, SPOTS, draw_dots())["count"] == 2


def test_another_threshold_gives_another_mask(application: Application) -> None:
    areas = []
    for threshold in (0.3, 0.5, 0.7):
        answer = accepted(
            application.ask(
                f"{DOTS}?threshold={threshold}", content=png(draw_dots()), headers=PNG
            )
        )
        (prediction,) = answer["predictions"]
        areas.append(read_png(prediction["mask"]).sum())

    assert areas[0] > areas[1] > areas[2] > 0


@pytest.mark.parametrize("threshold", ["nan", "inf", "half"])
def test_a_threshold_is_a_finite_number(
    application: Application, threshold: str
) -> None:
    response = application.ask(
        f"{DOTS}?threshold={threshold}", content=png(draw_dots()), headers=PNG
    )

    assert "threshold" in refused(response, 422, "invalid_input")


def test_an_overlay_is_the_picture_with_outlines(application: Application) -> None:
    picture = draw_dots()

    response = application.ask(
        f"{DOTS}?overlay=true",
        content=png(picture),
        headers=PNG | {"accept": "image/png"},
    )

    drawn = read_png(response.content)
    outline = (drawn == OUTLINE).all(axis=-1)
    assert drawn.shape == (30, 34, 3)
    assert outline.sum() > 30
    assert not outline[~see(picture)].any()
    assert (drawn[~outline] == picture[~outline][:, np.newaxis]).all()


def test_an_overlay_stands_beside_the_mask_in_json(application: Application) -> None:
    content = png(np.repeat([[0, 0, 127, 255]], 80, axis=0).repeat(30, axis=1))

    answer = accepted(
        application.ask("/v1/predict/shades?overlay=true", content=content, headers=PNG)
    )

    (prediction,) = answer["predictions"]
    assert read_png(prediction["overlay"]).shape == (8, 12, 3)
    assert "count" not in prediction


def test_several_pictures_have_sizes_of_their_own(application: Application) -> None:
    pictures = [png(np.zeros(shape)) for shape in ((1, 1), (30, 8), (9, 50))]
    body = {"images": [base64.b64encode(each).decode() for each in pictures]}

    predictions = accepted(application.ask(DOTS, json=body))["predictions"]

    sizes = [(each["height"], each["width"]) for each in predictions]
    assert sizes == [(1, 1), (30, 8), (9, 50)]
    assert [each["count"] for each in predictions] == [0, 0, 0]


def test_a_large_picture_is_refused_before_it_is_decoded(
    application: Application,
) -> None:
    response = application.ask(DOTS, content=png(np.zeros((40, 41))), headers=PNG)

    assert response.status_code == 413
    said = refused(response, 413, "image_too_large")
    assert "at most 64 tiles of 8 × 8 pixels" in said
    assert "received 41 × 40 pixels, which are 90" in said


def test_of_several_pictures_the_one_that_is_none_is_named(
    application: Application,
) -> None:
    good = base64.b64encode(png(np.zeros((3, 3)))).decode()

    response = application.ask(DOTS, json={"images": [good, "bm8="]})

    assert "images.1" in refused(response, 422, "invalid_image")


def test_tiles_count_as_rows(application: Application) -> None:
    large = base64.b64encode(png(np.zeros((36, 36)))).decode()

    response = application.ask(DOTS, json={"images": [large] * 6})

    assert "received 128" in refused(response, 413, "too_many_rows")


def test_colours_are_read_as_grey(application: Application) -> None:
    file = io.BytesIO()
    Image.fromarray(np.dstack([draw_dots()] * 3)).save(file, "PNG")

    answer = accepted(application.ask(DOTS, content=file.getvalue(), headers=PNG))

    assert answer["predictions"][0]["count"] == 3


def test_what_may_be_asked_is_described(application: Application) -> None:
    operation = application.get("/openapi.json").json()["paths"][DOTS]["post"]

    names = [each["name"] for each in operation["parameters"]]
    assert {"threshold", "overlay"} <= {*names}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "instances" in str(schema)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"overlap": 4}, "resize tile, received 4 and stretch"),
        ({"resize": "tile", "overlap": 3}, "an even overlap"),
        ({"resize": "tile", "overlap": 6}, "at most half of 8"),
        ({"instances": "all"}, "parts"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(
    declared: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        ImageSegmentation(size=(8, 8), **declared)


@pytest.mark.parametrize(
    ("declared", "shapes", "words"),
    [
        ({"resize": "tile"}, [(None, 4, 4)], "an output of tiles"),
        ({"instances": "cores"}, [(None, 8, 8)], "a second output"),
        ({"instances": "cores"}, [(None, 8, 8), (None, 4, 4)], "a second output"),
    ],
)
def test_a_declaration_that_the_outputs_are_not_of_is_refused(
    declared: dict[str, Any], shapes: list[tuple[int | None, ...]], words: str
) -> None:
    image = TensorSpec(name="image", dtype="uint8", shape=(None, 8, 8))
    outputs = tuple(
        TensorSpec(name=f"map{number}", dtype="float32", shape=shape)
        for number, shape in enumerate(shapes)
    )
    signature = Signature(inputs=(image,), outputs=outputs)
    task = ImageSegmentation(size=(8, 8), colour="grey", **declared)

    with pytest.raises(TaskError, match=words):
        check_task(task, {"serving_default": signature}, ("dark", "dot"))

"""Pictures that never were, by models that only declare how they are drawn."""

import base64
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest

from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError
from service.contract.task import ImageGeneration, check_task
from service.tasks.generation import draw
from tests.models.predicting import Application, accepted, read_png, refused
from tests.tasks.tiny import SHAPES

PATH, COLOURS = "/v1/generate/shapes", "/v1/generate/colours"


def pictures(answer: dict[str, Any]) -> np.ndarray:
    """The pictures of an answer, stacked."""
    return np.stack([read_png(each["image"]) for each in answer["images"]])


def test_a_picture_is_drawn_from_the_seed_and_the_label(
    application: Application,
) -> None:
    body = {"label": "line", "count": 3, "seed": 5, "temperature": 0.5}
    answer = accepted(application.ask(PATH, json=body))

    assert [answer[name] for name in ("model", "version")] == ["shapes", 1]
    assert (answer["seed"], answer["temperature"]) == (5, 0.5)
    assert [each["label"] for each in answer["images"]] == ["line"] * 3
    drawn = pictures(answer)
    assert drawn[:, 0].tolist() == [[0, 255, 0, 0]] * 3
    expected = (128 + 32 * (draw(5, 3, 4) * 0.5)).astype(np.float32)
    assert np.abs(drawn[:, 1] - expected).max() <= 1


def test_labels_take_turns(application: Application) -> None:
    answer = accepted(application.ask(PATH, json={"count": 5}))
    labels = [each["label"] for each in answer["images"]]
    assert labels == ["dot", "line", "cross", "dot", "line"]
    assert pictures(answer)[:, 0, :3].argmax(axis=1).tolist() == [0, 1, 2, 0, 1]


def test_the_same_seed_gives_the_same_bytes(application: Application) -> None:
    first = application.ask(PATH)
    seed = accepted(first)["seed"]
    again, other = (
        application.ask(PATH, json={"seed": each}) for each in (seed, seed ^ 1)
    )
    assert first.content == again.content != other.content


def test_fewer_are_the_first_of_more(application: Application) -> None:
    few, many = (
        accepted(application.ask(PATH, json={"seed": 1, "count": count}))["images"]
        for count in (2, 9)
    )
    assert few == many[:2]


def test_a_sheet_and_a_zip_hold_the_same(application: Application) -> None:
    body = {"seed": 3, "count": 4, "label": "dot"}
    sheet, archive = (
        application.ask(PATH, json=body, headers={"accept": kind})
        for kind in ("image/png", "application/zip")
    )
    assert sheet.headers["x-seed"] == "3"
    assert read_png(sheet.content).shape == (2 * 2 + 1, 2 * 4 + 1)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        index = json.loads(files.read("shapes.json"))
        kept = [files.read(each["file"]) for each in index["images"]]
    images = accepted(application.ask(PATH, json=body))["images"]
    assert kept == [base64.b64decode(each["image"]) for each in images]


def test_a_model_without_labels_draws_in_colour(application: Application) -> None:
    answer = accepted(application.ask(COLOURS, json={"seed": 2, "count": 2}))
    assert answer["temperature"] == 0.5
    assert all(set(each) == {"image"} for each in answer["images"])
    expected = (np.tanh(draw(2, 2, 3) * 0.5) + 1) * 127.5
    assert np.abs(pictures(answer)[:, 0, 0] - expected).max() <= 1
    accept = {"accept": "image/png"}
    sheet = application.ask(COLOURS, json={"count": 3, "scale": 2}, headers=accept)
    assert read_png(sheet.content).shape == (6, 6, 3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"label": "lime"}, "expected one of dot, line, cross; received 'lime'; did"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"count": 257}, "less than or equal to 256"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"temperature": "hot"}, "expected a valid number"),
        ({"prompt": "a dot"}, "not permitted"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_drawn_is_refused(
    application: Application, body: Any, words: str
) -> None:
    assert words in refused(application.ask(PATH, json=body), 422, "invalid_input")


def test_a_label_of_a_model_that_has_none_is_refused(application: Application) -> None:
    response = application.ask(COLOURS, json={"label": "red"})
    refused(response, 422, "invalid_input")


def test_the_other_verb_is_named(application: Application) -> None:
    said = refused(application.ask("/v1/predict/shapes", json={}), 404, "not_found")
    assert "expected POST /v1/generate/shapes" in said


def test_it_is_described(application: Application) -> None:
    paths = application.get("/openapi.json").json()["paths"]
    operation = paths[PATH]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert content["schema"]["properties"]["label"]["anyOf"][0]["enum"] == [*SHAPES]
    accepted(application.ask(PATH, json=content["example"]))
    assert "/v1/predict/shapes" not in paths


@pytest.mark.parametrize("shape", [(None,), (None, 8, 8, 4), (None, 1, 8, 8, 3)])
def test_a_declaration_of_what_is_no_picture_is_refused(
    shape: tuple[int | None, ...],
) -> None:
    latent = TensorSpec(name="latent", dtype="float32", shape=(None, 4))
    image = TensorSpec(name="image", dtype="float32", shape=shape)
    signatures = {"serving_default": Signature(inputs=(latent,), outputs=(image,))}
    with pytest.raises(TaskError, match="expected an output"):
        check_task(ImageGeneration(), signatures, ())


def test_pictures_are_drawn_no_larger_than_memory_allows(
    application: Application,
) -> None:
    asked = application.ask("/v1/generate/wall", json={"count": 1, "scale": 16})
    assert "at most 67,108,864 pixels" in refused(asked, 413, "too_many_rows")

"""Declared tasks in the words of Hugging Face's Inference API."""

import base64
from typing import Any

import httpx
import numpy as np
import pytest

from tests.models.predicting import Application, accepted, read_png, refused
from tests.tasks.test_audio import encode, tone
from tests.tasks.test_images import png
from tests.tasks.test_segmentation import STRIPES
from tests.tasks.test_segmentation import png as grey

GUEST = {"city": "Oslo", "age": 30, "member": True}


def ask(application: Application, model: str, body: Any) -> Any:
    response = application.ask(f"/hf/{model}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def send(
    application: Application, model: str, data: bytes, kind: str | None = None
) -> httpx.Response:
    headers = {"content-type": kind} if kind else {}
    return application.ask(f"/hf/{model}", content=data, headers=headers)


def test_one_input_is_a_list_and_many_are_lists(application: Application) -> None:
    sounds = [text(encode(tone(hertz))) for hertz in (300, 3000)]
    one = ask(application, "sounds", {"inputs": sounds[0]})
    many = ask(application, "sounds", {"inputs": sounds})
    assert [each["label"] for each in one] == ["low", "high", "silence"]
    assert many[0] == one
    assert many[1][0]["label"] == "high"
    assert set(one[0]) == {"label", "score"}


def test_of_texts_one_is_a_list_of_a_list(application: Application) -> None:
    """As their own service answers, and as their client reads it."""
    one = ask(application, "shout", {"inputs": "Help!"})
    many = ask(application, "shout", {"inputs": ["Help!", "Hello."]})
    assert one == many[:1]
    assert [each[0]["label"] for each in many] == ["loud", "calm"]


def test_parameters_are_heeded(application: Application) -> None:
    body = {"inputs": text(png(np.full((9, 9, 3), (0, 255, 51))))}
    parameters = {"top_k": 3, "function_to_apply": "none"}
    found = ask(application, "light", body | {"parameters": parameters})
    assert [(each["label"], each["score"]) for each in found] == [
        ("green", 10.0), ("blue", 2.0), ("red", 0.0),
    ]  # fmt: skip
    assert len(ask(application, "light", body | {"parameters": {"top_k": 1}})) == 1


@pytest.mark.parametrize(
    "kind", [None, "application/octet-stream", "image/png"], ids=str
)
def test_a_file_may_come_as_it_is(application: Application, kind: str | None) -> None:
    response = send(application, "light", png(np.full((9, 9, 3), (255, 0, 0))), kind)
    assert accepted(response)[0]["label"] == "red"  # type: ignore[index]


def test_a_mask_is_white_where_its_class_is(application: Application) -> None:
    segments = ask(application, "shades", {"inputs": text(grey(STRIPES))})
    assert [each["label"] for each in segments] == ["dark", "middle", "light"]
    dark = read_png(segments[0]["mask"])
    assert dark.tolist() == [[255] * 6 + [0] * 6] * 8
    (many,) = ask(application, "shades", {"inputs": [text(grey(STRIPES))]})
    assert many == segments


def test_the_threshold_of_a_mask_is_heeded(application: Application) -> None:
    body = {"inputs": text(grey(np.full((4, 4, 3), 100)))}
    (ink,) = ask(application, "ink", body)
    parameters = {"mask_threshold": 0.9, "subtask": "semantic"}
    (paper,) = ask(application, "ink", body | {"parameters": parameters})
    assert (ink["label"], paper["label"]) == ("ink", "paper")


TABLE = {"city": ["Oslo", "Bern"], "age": ["30", "unknown"], "member": ["yes", False]}


def test_a_table_is_labels_and_with_parameters_scores_too(
    application: Application,
) -> None:
    assert ask(application, "guest", {"table": TABLE}) == ["comes", "stays away"]
    rows = ask(application, "guest", {"table": TABLE, "parameters": {"top_k": 2}})
    assert [len(row) for row in rows] == [2, 2]
    records = [GUEST, {"city": "Bern", "member": False}]
    assert ask(application, "guest", {"inputs": records}) == rows
    assert ask(application, "guest", {"inputs": GUEST}) == rows[0]
    one = {"city": "Oslo", "age": 30, "member": True}
    assert ask(application, "guest", {"table": one}) == ["comes"]


def test_a_regression_answers_numbers(application: Application) -> None:
    table = {"area": ["50", 70], "rooms": [2, 3], "garden": ["no", True]}
    assert ask(application, "house", {"table": table}) == [50_007.0, 70_009.0]
    record = {"area": 50, "rooms": 2, "garden": False}
    assert ask(application, "house", {"inputs": record}) == [50_007.0]


@pytest.mark.parametrize(
    ("model", "body", "status", "code", "words"),
    [
        ("shout", {}, 422, "invalid_input", "either inputs or table, received neither"),
        ("shout", {"inputs": 5}, 422, "invalid_input", "inputs.0: expected text"),
        ("shout", {"inputs": []}, 422, "invalid_input", "inputs: expected at least 1"),
        ("shout", {"inputs": ["a"] * 65}, 413, "too_many_rows", "at most 64"),
        ("shout", {"table": {"text": ["a"]}}, 422, "invalid_input", "received a table"),
        ("light", {"inputs": "%%"}, 422, "invalid_input", "expected base64"),
        ("light", {"inputs": ["bm8="]}, 422, "invalid_image", "expected a JPEG"),
        ("sounds", {"inputs": "bm8="}, 422, "invalid_audio", "expected a WAV"),
        ("guest", {"inputs": {"city": "Rome"}}, 422, "invalid_input", "inputs.0.city"),
        ("guest", {"table": {}}, 422, "invalid_input", "received none"),
        (
            *("guest", {"table": {"city": ["Oslo"], "age": []}}, 422),
            *("invalid_input", "columns of one length, received 0 and 1"),
        ),
        ("guest", {"table": {"city": ["Oslo"] * 65}}, 413, "too_many_rows", "most 64"),
        (
            *("light", {"inputs": "bm8=", "parameters": {"top_k": 0}}, 422),
            *("invalid_input", "parameters.top_k: expected"),
        ),
        (
            *("light", {"inputs": "bm8=", "parameters": {"max_length": 9}}, 422),
            *("invalid_input", "not permitted"),
        ),
        ("shapes", {"inputs": "a dot"}, 404, "not_found", "image-generation"),
        ("nobody", {"inputs": "a"}, 404, "model_not_found", "nobody"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_refused(
    application: Application, model: str, body: Any, status: int, code: str, words: str
) -> None:
    response = application.ask(f"/hf/{model}", json=body)
    assert words in refused(response, status, code)


def test_a_text_that_is_no_json_is_refused(application: Application) -> None:
    response = send(application, "shout", b"Help!", "text/plain")
    refused(response, 415, "unsupported_media_type")

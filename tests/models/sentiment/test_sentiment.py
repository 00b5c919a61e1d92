"""Texts on their way in, and what is said of them on the way out."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf
from prometheus_client import CollectorRegistry

from service.contract.contract import from_manifest
from service.contract.manifest import read_manifest
from service.engine.batching.tensors import Tensors, count_rows, merge_rows, slice_rows
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from service.engine.instant import InstantEngine
from service.metrics import Metrics
from service.models.sentiment.endpoint import EXAMPLE, MOST_CHARACTERS, SENTIMENT
from service.settings import Settings
from service.tasks.endpoint import Given, Wanted
from service.web.app import create_app
from service.web.state import AppState

PATH = "/v1/predict/sentiment"
ARTIFACTS = Path(__file__).parents[3] / "artifacts" / "sentiment"
VERSION = max(int(each.name) for each in ARTIFACTS.iterdir() if each.name.isdigit())
SHIPPED = ARTIFACTS / str(VERSION)
cautious = pytest.mark.skipif(VERSION < 2, reason="version 2 is not published yet")
LIKED, DISLIKED = "A wonderful film!", "An awful film."


@pytest.fixture(scope="module")
def state() -> Iterator[AppState]:
    """Each request is computed at once, as one batch of an allowed size."""
    manifest = read_manifest(SHIPPED)
    saved = tf.saved_model.load(str(SHIPPED))
    model = TensorFlowModel(saved, manifest, "/CPU:0")

    def compute(signature: str, rows: Tensors) -> Tensors:
        count = count_rows(rows)
        size = min(size for size in manifest.batch_sizes if size >= count)
        return slice_rows(model.run(signature, merge_rows([rows], size)), 0, count)

    engine = InstantEngine(manifest, compute)
    state = AppState(
        Settings(max_request_rows=32), engine, Metrics(CollectorRegistry())
    )
    yield state
    state.close()


def post(state: AppState, path: str = PATH, **request: Any) -> httpx.Response:
    return send(state, "POST", path, **request)


def send(state: AppState, method: str, path: str, **request: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as http:
            return await http.request(method, path, **request)

    return asyncio.run(run())


def plain(state: AppState, body: bytes) -> httpx.Response:
    kind = {"content-type": "text/plain; charset=utf-8"}
    return post(state, content=body, headers=kind)


def read(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["model"], answer["version"]) == ("sentiment", VERSION)
    predictions: list[dict[str, Any]] = answer["predictions"]
    return predictions


def assert_error(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert body["code"] == code
    message: str = body["error"]
    return message


def test_one_text_is_answered(state: AppState) -> None:
    (prediction,) = read(post(state, json={"text": LIKED}))

    assert prediction.keys() == {"label", "probability", "tokens", "unknown_tokens"}
    assert prediction["label"] == "positive"
    assert 0.5 < prediction["probability"] <= 1
    assert (prediction["tokens"], prediction["unknown_tokens"]) == (4, 0)


def test_many_texts_are_answered_in_their_order(state: AppState) -> None:
    texts = [LIKED, DISLIKED, DISLIKED, LIKED, DISLIKED]

    labels = [each["label"] for each in read(post(state, json={"texts": texts}))]

    assert labels == ["positive", "negative", "negative", "positive", "negative"]


def test_plain_text_is_read_as_json_is(state: AppState) -> None:
    in_json = read(post(state, json={"text": DISLIKED}))

    assert read(plain(state, DISLIKED.encode())) == in_json
    assert read(plain(state, b"\xef\xbb\xbf" + DISLIKED.encode())) == in_json


def test_html_is_read_over(state: AppState) -> None:
    (bare,) = read(post(state, json={"text": "An awful film"}))
    (marked,) = read(post(state, json={"text": "An<br /><br />awful <i>film</i>"}))

    assert marked == bare


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("ein völlig fremder Satz", 4, id="another language"),
        pytest.param("最高の映画でした", 1, id="another script"),
        pytest.param("🎬🍿", 2, id="emoji"),
    ],
)
def test_a_text_that_cannot_be_read_gets_a_warning(
    state: AppState, text: str, tokens: int
) -> None:
    (prediction,) = read(post(state, json={"text": text}))

    assert prediction["tokens"] >= prediction["unknown_tokens"] >= tokens
    assert "unknown" in prediction["warning"]


@cautious
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("?!?!", "only punctuation", id="punctuation"),
        pytest.param("C'est le meilleur film de cette année.", "English", id="French"),
        pytest.param("Het verhaal was saai en veel te lang.", "English", id="Dutch"),
        pytest.param("It is a film.", "near 0.5", id="no opinion"),
    ],
)
def test_a_warning_says_why_the_model_does_not_know(
    state: AppState, text: str, reason: str
) -> None:
    (prediction,) = read(post(state, json={"text": text}))

    assert reason in prediction["warning"]


def test_version_1_is_answered_as_before() -> None:
    contract = from_manifest(read_manifest(SHIPPED.parent / "1"))
    outputs = (np.array([0.5]), np.array([4], np.int32), np.array([0], np.int32))

    (found,) = SENTIMENT.predict(Given([]), outputs, contract, Wanted())

    assert found == {
        "label": "negative",
        "probability": 0.5,
        "tokens": 4,
        "unknown_tokens": 0,
    }


def test_a_text_without_words_gets_a_warning(state: AppState) -> None:
    (prediction,) = read(post(state, json={"text": "((( ---"}))

    assert prediction["tokens"] == 0
    assert "no words" in prediction["warning"]


def test_a_text_of_100_000_characters_is_read_to_its_end(state: AppState) -> None:
    text = ("film " * 20_000)[:MOST_CHARACTERS]

    assert read(plain(state, text.encode()))[0]["tokens"] == 20_000
    message = assert_error(post(state, json={"text": text + "s"}), 422, "invalid_input")
    assert "100,000" in message
    assert "100,001" in message


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t\u00a0"], ids=["empty", "blank", "nbsp"]
)
def test_a_blank_text_is_refused(state: AppState, text: str) -> None:
    assert "blank" in assert_error(
        post(state, json={"text": text}), 422, "invalid_input"
    )
    assert "blank" in assert_error(plain(state, text.encode()), 422, "invalid_input")


def test_a_bad_text_among_good_ones_is_named(state: AppState) -> None:
    response = post(state, json={"texts": [LIKED, "", LIKED]})

    assert "texts.1" in assert_error(response, 422, "invalid_input")
    assert response.json()["details"][0]["field"] == "texts.1"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"text": "a", "texts": ["a"]}, id="both"),
        pytest.param({"texts": []}, id="no texts"),
        pytest.param({"text": 7}, id="a number"),
        pytest.param({"texts": "film"}, id="a text for a list"),
        pytest.param({"texts": [None]}, id="null"),
        pytest.param({"review": "a"}, id="another name"),
        pytest.param([LIKED], id="a list"),
    ],
)
def test_json_of_another_form_is_refused(state: AppState, body: Any) -> None:
    message = assert_error(post(state, json=body), 422, "invalid_input")

    assert "expected" in message or "should" in message or "permitted" in message


def test_bytes_that_are_not_utf_8_are_refused(state: AppState) -> None:
    message = assert_error(plain(state, b"caf\xe9"), 400, "malformed_body")

    assert "0xe9 at 3" in message


@pytest.mark.parametrize(
    "body", [b'{"text": "a', b'{"text": "half \\ud83d"}'], ids=["cut", "half a sign"]
)
def test_broken_json_is_refused(state: AppState, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = post(state, content=body, headers=headers)

    assert_error(response, 400, "malformed_body")


@pytest.mark.parametrize("kind", ["image/png", "text/html", ""])
def test_another_content_type_is_refused(state: AppState, kind: str) -> None:
    response = post(state, content=b"a", headers={"content-type": kind})

    assert "text/plain" in assert_error(response, 415, "unsupported_media_type")


def test_more_texts_than_allowed_are_refused(state: AppState) -> None:
    response = post(state, json={"texts": [LIKED] * 33})

    assert "at most 32" in assert_error(response, 413, "too_many_rows")


def test_an_unknown_version_is_refused(state: AppState) -> None:
    response = post(state, f"{PATH}?version=7", json={"text": LIKED})

    assert_error(response, 404, "version_not_found")


def test_the_documented_examples_work(state: AppState) -> None:
    document = send(state, "GET", "/openapi.json").json()
    content = document["paths"][PATH]["post"]["requestBody"]["content"]

    assert read(post(state, json=content["application/json"]["example"]))
    assert read(plain(state, content["text/plain"]["example"].encode()))
    assert content["text/plain"]["example"] == EXAMPLE


def test_labels_are_counted(state: AppState) -> None:
    def count() -> float:
        state.accounting.flush()
        counted = state.metrics.predictions.labels("sentiment", "negative")
        value: float = counted._value.get()
        return value

    before = count()
    post(state, json={"texts": [DISLIKED, DISLIKED, LIKED]})

    assert count() == before + 2

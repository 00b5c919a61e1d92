"""The cells on a real server, with good pictures and bad ones."""

import base64
import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.contract.golden import FILENAME, read_golden
from service.contract.manifest import read_manifest
from tests.e2e.conftest import ARTIFACTS, serving_alone, to_png
from tests.e2e.server import Server
from tests.models.predicting import read_png
from training.datasets.nuclei import Nuclei
from training.models.cells.measures import compare

PATH = "/v1/predict/cells"
PNG = {"content-type": "image/png"}
SHIPPED = ARTIFACTS / "cells" / "1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of the cells alone."""
    with serving_alone("cells", tmp_path_factory) as started:
        yield started


@pytest.fixture(scope="module")
def nuclei() -> Nuclei:
    """Test pictures that the version carries, and what is in them."""
    golden = read_golden(SHIPPED / FILENAME, read_manifest(SHIPPED).signatures)
    assert golden is not None
    samples = golden.samples["serving_default"]
    assert samples.labels is not None
    (pictures,) = samples.inputs
    return Nuclei(np.arange(len(pictures)).astype(str), pictures, samples.labels)


def ask(server: Server, picture: np.ndarray, query: str = "") -> dict[str, Any]:
    answer = server.client.post(PATH + query, content=to_png(picture), headers=PNG)
    assert answer.status_code == 200, answer.text
    prediction: dict[str, Any] = answer.json()["predictions"][0]
    return prediction


def test_nuclei_are_found_and_counted(server: Server, nuclei: Nuclei) -> None:
    answers = [ask(server, each) for each in nuclei.pictures]

    masks = np.stack([read_png(each["mask"]) for each in answers]) > 0
    assert compare(nuclei, masks).overlap.mean() > 0.75
    for said, labels in zip(answers, nuclei.labels, strict=True):
        there = len(np.unique(labels)) - 1
        assert said["count"] == pytest.approx(there, rel=0.35, abs=3)
        assert {each["label"] for each in said["instances"]} == {"nucleus"}


def test_a_larger_picture_is_read_in_tiles(server: Server, nuclei: Nuclei) -> None:
    one, two = nuclei.pictures[:2]
    large = np.pad(np.hstack([one, two]), ((0, 44), (0, 0)))

    said = ask(server, large)

    assert (said["width"], said["height"]) == (512, 300)
    apart = [ask(server, each)["count"] for each in (one, two)]
    assert said["count"] == pytest.approx(sum(apart), abs=4)  # some were cut


def test_a_higher_threshold_finds_less(server: Server, nuclei: Nuclei) -> None:
    low, high = (
        read_png(ask(server, nuclei.pictures[0], f"?threshold={each}")["mask"])
        for each in (0.1, 0.9)
    )

    assert low.sum() > high.sum() > 0
    assert not (high > low).any()


@pytest.mark.parametrize(
    ("query", "shape"), [("", (256, 256)), ("?overlay=true", (256, 256, 3))]
)
def test_a_picture_alone_is_answered(
    server: Server, nuclei: Nuclei, query: str, shape: tuple[int, ...]
) -> None:
    answer = server.client.post(
        PATH + query,
        content=to_png(nuclei.pictures[0]),
        headers=PNG | {"accept": "image/png"},
    )

    assert answer.headers["content-type"] == "image/png"
    assert read_png(answer.content).shape == shape


def test_a_picture_of_one_pixel_is_read(server: Server) -> None:
    said = ask(server, np.zeros((1, 1), np.uint8))

    assert (said["width"], said["height"], said["count"]) == (1, 1, 0)


def png_of(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (png_of(8000), 413, "pixels"),
        (png_of(2000), 413, "at most 64 tiles of 256 × 256 pixels that overlap"),
        (b"no picture at all", 422, "expected a JPEG"),
        (png_of(300)[:-30], 422, "damaged"),
        (b"", 422, "expected"),
    ],
    ids=["8,000 × 8,000", "too many tiles", "a text", "cut short", "nothing"],
)
def test_what_cannot_be_read_is_refused(
    server: Server, content: bytes, status: int, words: str
) -> None:
    answer = server.client.post(PATH, content=content, headers=PNG)

    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_an_unknown_parameter_is_refused(server: Server) -> None:
    answer = server.client.post(f"{PATH}?treshold=0.3", content=b"", headers=PNG)

    assert answer.status_code == 422
    assert "treshold" in answer.json()["error"]


def test_everybody_gets_the_answer_of_their_own_picture(
    server: Server, nuclei: Nuclei
) -> None:
    alone = [ask(server, each) for each in nuclei.pictures]
    together: dict[int, Any] = {}

    def read(number: int) -> None:
        body = {"image": base64.b64encode(to_png(nuclei.pictures[number])).decode()}
        together[number] = server.client.post(PATH, json=body).json()["predictions"][0]

    threads = [threading.Thread(target=read, args=(n,)) for n in range(len(alone))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    for number, said in enumerate(alone):
        assert together[number]["count"] == said["count"]
        assert together[number]["shares"] == said["shares"]

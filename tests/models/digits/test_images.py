"""Every limit on images, and every odd way to send one, at the whole application."""

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.predicting import Service, accepted, refused

DATA = Path(__file__).parents[2] / "data"
ODD = DATA / "odd"
LIMITS = {"max_image_pixels": 4_000_000, "max_request_pixels": 6_000_000}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(
        "digits",
        tmp_path_factory.mktemp("artifacts"),
        max_waiting_images=2,
        **LIMITS,
    )
    yield started
    started.close()


def seven(kind: str = "PNG", side: int = 280) -> bytes:
    with np.load(DATA / "mnist_sample.npz") as data:
        image = data["images"][int(np.flatnonzero(data["labels"] == 7)[0])]
    file = io.BytesIO()
    Image.fromarray(image).resize((side, side)).save(file, kind)
    return file.getvalue()


def raw(data: bytes, **headers: str) -> dict[str, Any]:
    return {"content": data, "headers": {"content-type": "image/png"} | headers}


def digit(service: Service, data: bytes) -> int:
    (prediction,) = accepted(service.ask(service.path, **raw(data)))["predictions"]
    found: int = prediction["digit"]
    return found


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"]
)
def test_every_kind_is_read_or_told_what_to_send(service: Service, kind: str) -> None:
    if kind == "JPEG2000":
        answer = service.ask(service.path, **raw(seven(kind)))
        text = refused(answer, 422, "invalid_image")
        assert "expected a JPEG" in text
        assert "received a JPEG 2000 image" in text
    else:
        assert digit(service, seven(kind)) == 7


@pytest.mark.parametrize(
    "name", ["heic.heic", "no-eoi.jpg", "16bit-low.png", "20000x28.png"]
)
def test_odd_files_are_read(service: Service, name: str) -> None:
    digit(service, (ODD / name).read_bytes())


def test_drawing_in_vectors_is_named(service: Service) -> None:
    answer = service.ask(service.path, **raw((ODD / "svg-bom.svg").read_bytes()))
    assert "received an SVG drawing" in refused(answer, 422, "invalid_image")


def test_image_has_a_limit_on_pixels(service: Service) -> None:
    answer = service.ask(service.path, **raw(seven(side=2001)))
    text = refused(answer, 413, "image_too_large")
    assert "at most 4,000,000 pixels, received 2,001 × 2,001" in text


def test_size_is_that_of_the_header_and_not_of_a_text_before_it(
    service: Service,
) -> None:
    data = (ODD / "text-before-header.png").read_bytes()
    refused(service.ask(service.path, **raw(data)), 413, "image_too_large")


def test_large_jpeg_has_fewer_scans_than_a_small_one(tmp_path: Path) -> None:
    service = Service("digits", tmp_path)
    try:
        data = (ODD / "64-scans.jpg").read_bytes()
        answer = service.ask(service.path, **raw(data))
        assert "at most 10 scans" in refused(answer, 422, "invalid_image")
    finally:
        service.close()


def test_images_of_a_request_have_a_limit_together(service: Service) -> None:
    files = [("file", ("a.png", seven(side=1500), "image/png"))]
    accepted(service.ask(service.path, files=files * 2))
    answer = service.ask(service.path, files=files * 3)
    text = refused(answer, 413, "image_too_large")
    assert "Image 2: The images of this request are too large together" in text


def test_queue_of_the_decoders_has_an_end(service: Service) -> None:
    request = (service.path, raw(seven(side=1900)))
    codes = [answer.status_code for answer in service.ask_all([request] * 8)]
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 2


def test_deadline_ends_while_an_image_is_decoded(service: Service) -> None:
    hurry = {"x-request-timeout-ms": "1"}
    answer = service.ask(service.path, **raw(seven(side=1900), **hurry))
    refused(answer, 504, "deadline_exceeded")
    assert digit(service, seven()) == 7


def in_lines(text: str) -> str:
    return "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text,
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
        in_lines,
        lambda text: f" {text}\n",
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"DATA:IMAGE/PNG;BASE64,{text}",
        lambda text: f"data:image/png;name=a.png;charset=utf-8;base64,{text}",
        lambda text: f"data:;base64,{text}",
    ],
    ids=[
        "plain", "unpadded", "urls", "urls, unpadded", "lines", "spaces", "data url",
        "capitals", "parameters", "no type",
    ],
)  # fmt: skip
def test_base64_is_read_however_it_is_written(
    service: Service, write: Callable[[str], str]
) -> None:
    for side in (280, 281, 282):  # of different lengths, so of different padding
        text = base64.b64encode(seven(side=side)).decode()
        answer = accepted(service.ask(service.path, json={"image": write(text)}))
        assert answer["predictions"][0]["digit"] == 7


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (None, "null"),
        (7, "a number"),
        (True, "a boolean"),
        ([], "an array"),
        ("über", "'ü'"),
        ("a", "1 characters that begin with 'a'"),
        ("ab=cdefg", "padding within the data"),
        ("ab!d", "only base64 data is allowed"),
        ("data:image/png,abcd", "'data:image/png,abcd'"),
    ],
    ids=str,
)
def test_what_is_no_base64_is_named(
    service: Service, value: Any, received: str
) -> None:
    answer = service.ask(service.path, json={"images": [value]})
    text = refused(answer, 422, "invalid_input")
    assert "expected" in text
    assert received in text


def test_large_base64_is_read_in_pieces_and_whole(service: Service) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 900), np.uint8)
    noise[200:700, 420:480] = 0
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    text = in_lines(base64.b64encode(file.getvalue()).decode())
    assert len(text) > 1_000_000
    whole = service.ask(service.path, json={"image": text})
    assert whole.json() == service.ask(service.path, **raw(file.getvalue())).json() | {
        key: value for key, value in whole.json().items() if key == "request_id"
    }

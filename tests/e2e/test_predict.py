"""A user's requests, good and bad, against the real server."""

import asyncio
import gzip
import http.client
import io
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import NEWEST_DIGITS, to_base64, to_png
from tests.e2e.server import Server, settle, until

PATH = "/v1/predict/digits"
PICTURES = Path(__file__).parents[1] / "data" / "images"
IMAGES = sorted(PICTURES.glob("*-[0-9]-*.*"))


def digits(response: httpx.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [each["digit"] for each in response.json()["predictions"]]


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert set(body) - {"details"} == {"error", "code", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def test_a_file_is_read(server: Server, seven: bytes) -> None:
    response = server.client.post(PATH, files={"file": seven})
    assert digits(response) == [7]
    (prediction,) = response.json()["predictions"]
    assert prediction["confidence"] == max(prediction["probabilities"])
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert response.json()["model"] == "digits"
    assert response.json()["version"] == NEWEST_DIGITS


def test_all_ways_to_send_an_image_give_the_same_answer(
    server: Server, seven: bytes
) -> None:
    encoded = to_base64(seven)
    wrapped = "\n".join(encoded[i : i + 76] for i in range(0, len(encoded), 76))
    raw = {"content-type": "image/png"}
    bodies: list[dict[str, Any]] = [
        {"files": {"file": seven}},
        {"content": seven, "headers": raw},
        {"json": {"image": encoded}},
        {"json": {"image": wrapped}},
        {"json": {"image": f"data:image/png;base64,{encoded}"}},
        {"json": {"images": [encoded]}},
        {"json": {"image": encoded}, "params": {"version": NEWEST_DIGITS}},
    ]
    answers = [server.client.post(PATH, **body).json() for body in bodies]
    assert answers[0]["predictions"][0]["digit"] == 7
    assert all(answer == answers[0] for answer in answers)


def test_many_images_come_back_in_order(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample
    pngs = [to_png(each) for each in images[:100]]
    files = [("file", (f"{i}.png", png)) for i, png in enumerate(pngs)]
    by_form = digits(server.client.post(PATH, files=files))
    encoded = [to_base64(png) for png in pngs]
    assert by_form == digits(server.client.post(PATH, json={"images": encoded}))
    assert np.mean(np.array(by_form) == labels[:100]) >= 0.97


def test_a_crowd_is_served_each_its_own_digit(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = sample
    before = batch_counts(server)

    async def ask(client: httpx.AsyncClient, pixels: np.ndarray) -> int:
        headers = {"content-type": "image/png"}
        response = await client.post(PATH, content=to_png(pixels), headers=headers)
        return digits(response)[0]

    async def crowd() -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            return await asyncio.gather(*(ask(client, each) for each in images))

    answers = asyncio.run(crowd())
    assert np.mean(np.array(answers) == labels) >= 0.98
    rows, batches = batch_counts(server) - before
    assert rows == len(images)
    assert batches < rows  # they did share


def batch_counts(server: Server) -> np.ndarray:
    """Rows and batches so far, once they are counted."""
    settle()
    text = server.client.get("/metrics").text
    names = ("servery_batch_rows_sum", "servery_batch_rows_count")
    return np.array(
        [
            sum(
                float(line.rpartition(" ")[2])
                for line in text.splitlines()
                if line.startswith(name)
            )
            for name in names
        ]
    )


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_pictures_that_people_send_are_read(server: Server, path: Path) -> None:
    truth = next(int(part) for part in path.stem.split("-") if part.isdigit())
    response = server.client.post(PATH, files={"file": path.read_bytes()})
    assert digits(response) == [truth]


@pytest.mark.parametrize("name", ["blank-clear.png", "blank-white.png"])
def test_pictures_of_one_colour_are_refused(server: Server, name: str) -> None:
    data = (PICTURES / name).read_bytes()
    response = server.client.post(PATH, files={"file": data})
    assert "ink" in assert_error(response, 422, "invalid_image")["error"]


def test_the_example_in_the_documentation_works(server: Server) -> None:
    document = server.client.get("/openapi.json").json()
    content = document["paths"][PATH]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]
    assert digits(server.client.post(PATH, json=example)) == [7]


def truncated(seven: bytes) -> bytes:
    return seven[: len(seven) // 2]


def bomb() -> bytes:
    """A PNG that says 30,000 × 30,000 and holds a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data).to_bytes(4)
        return len(data).to_bytes(4) + kind + data + checksum

    side = (30_000).to_bytes(4)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", side + side + b"\x08\x00\x00\x00\x00")
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "said"),
    [
        pytest.param(b"hello", PNG, 422, "invalid_image", "JPEG", id="not an image"),
        pytest.param(b"", PNG, 422, "invalid_image", "0 bytes", id="no byte"),
        pytest.param(bomb(), PNG, 413, "image_too_large", "900,000,000", id="bomb"),
        pytest.param(b"x=1", {}, 415, "unsupported_media_type", "none", id="no type"),
        pytest.param(
            b"x",
            {"content-type": "application/x-www-form-urlencoded"},
            415,
            "unsupported_media_type",
            "x-www-form-urlencoded",
            id="wrong type",
        ),
        pytest.param(b"{", JSON, 400, "malformed_body", "not JSON", id="bad JSON"),
        pytest.param(b"", JSON, 400, "malformed_body", "not JSON", id="no JSON"),
        pytest.param(
            b'{"image": "%%%"}', JSON, 422, "invalid_input", "base64", id="bad base64"
        ),
        pytest.param(
            b'{"image": 5}', JSON, 422, "invalid_input", "base64", id="number as image"
        ),
        pytest.param(
            b'{"picture": ""}', JSON, 422, "invalid_input", "picture", id="wrong field"
        ),
        pytest.param(b"{}", JSON, 422, "invalid_input", "neither", id="no field"),
        pytest.param(
            b'{"images": []}', JSON, 422, "invalid_input", "images", id="none"
        ),
        pytest.param(b"[1]", JSON, 422, "invalid_input", "object", id="a list"),
        pytest.param(
            b"xx",
            {"content-type": "multipart/form-data"},
            400,
            "malformed_body",
            "oundary",
            id="form without boundary",
        ),
        pytest.param(
            b"xx",
            {"content-type": "multipart/form-data; boundary=b"},
            400,
            "malformed_body",
            "form",
            id="form that is none",
        ),
    ],
)
def test_bad_bodies_get_a_clear_answer(
    server: Server,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
    said: str,
) -> None:
    response = server.client.post(PATH, content=body, headers=headers)
    assert said in assert_error(response, status, code)["error"]


def test_half_an_image_is_refused(server: Server, seven: bytes) -> None:
    response = server.client.post(PATH, files={"file": truncated(seven)})
    assert_error(response, 422, "invalid_image")


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_image_has_no_digit(server: Server, shade: int) -> None:
    blank = to_png(np.full((100, 100), shade, np.uint8))
    response = server.client.post(PATH, files={"file": blank})
    assert "ink" in assert_error(response, 422, "invalid_image")["error"]


def test_a_bad_image_among_good_ones_is_named(server: Server, seven: bytes) -> None:
    images = [to_base64(seven), to_base64(b"no image"), to_base64(seven)]
    response = server.client.post(PATH, json={"images": images})
    body = assert_error(response, 422, "invalid_image")
    assert body["details"][0]["field"] == "images.1"


def test_a_form_without_our_field_names_those_it_has(
    server: Server, seven: bytes
) -> None:
    response = server.client.post(PATH, files={"picture": seven})
    assert "picture" in assert_error(response, 422, "invalid_input")["error"]
    response = server.client.post(PATH, files={"file": (None, "text")})
    assert "text" in assert_error(response, 422, "invalid_input")["error"]


def test_more_images_than_a_request_may_have_are_refused(
    server: Server, seven: bytes
) -> None:
    images = [to_base64(seven)] * 257
    response = server.client.post(PATH, json={"images": images})
    body = assert_error(response, 413, "too_many_rows")
    assert "at most 256" in body["error"]
    files = [("file", seven)] * 257
    response = server.client.post(PATH, files=files)
    assert_error(response, 413, "too_many_rows")


def test_a_body_that_announces_too_much_is_refused_unread(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest("POST", PATH)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", "3000000")
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert b"3,000,000" in response.read()
    connection.close()


def test_a_body_that_grows_too_large_is_refused_while_it_arrives(
    server: Server,
) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(100_000)

    response = server.client.post(PATH, content=endless(), headers=PNG)
    assert "so far" in assert_error(response, 413, "body_too_large")["error"]


def test_unknown_things_are_not_found(server: Server, seven: bytes) -> None:
    answer = server.client.post(f"{PATH}?version=99", files={"file": seven})
    assert "there are: 1" in assert_error(answer, 404, "version_not_found")["error"]
    answer = server.client.get("/v1/models/nothing")
    assert "digits" in assert_error(answer, 404, "model_not_found")["error"]
    answer = server.client.post("/v1/predict/nothing", files={"file": seven})
    assert "digits" in assert_error(answer, 404, "model_not_found")["error"]
    answer = server.client.post(f"{PATH}?version=one", files={"file": seven})
    assert "version" in assert_error(answer, 422, "invalid_input")["error"]


def test_a_wrong_method_is_told_the_right_one(server: Server) -> None:
    response = server.client.get(PATH)
    body = assert_error(response, 405, "method_not_allowed")
    assert "POST" in body["error"]
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("value", ["0", "soon", "-5", "1e3", "60001", ""])
def test_a_timeout_that_is_none_is_refused(
    server: Server, seven: bytes, value: str
) -> None:
    headers = {"x-request-timeout-ms": value}
    response = server.client.post(PATH, files={"file": seven}, headers=headers)
    assert "1 to 60000" in assert_error(response, 422, "invalid_input")["error"]


def test_bad_requests_do_not_disturb_good_ones_in_flight(
    server: Server, seven: bytes
) -> None:
    bad: list[dict[str, Any]] = [
        {"content": b"hello", "headers": PNG},
        {"content": bomb(), "headers": PNG},
        {"content": truncated(seven), "headers": PNG},
        {"content": b"{", "headers": JSON},
        {"content": bytes(2_500_000), "headers": PNG},
        {"json": {"images": [to_base64(seven), "%%%"]}},
        {"files": {"file": to_png(np.zeros((50, 50), np.uint8))}},
    ]

    async def both() -> tuple[list[httpx.Response], list[httpx.Response]]:
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(
            base_url=server.url, timeout=60, limits=limits
        ) as client:
            good = [client.post(PATH, content=seven, headers=PNG) for _ in range(100)]
            wrong = [client.post(PATH, **each) for each in bad * 10]
            mixed = [job for pair in zip(wrong, good, strict=False) for job in pair]
            answers = await asyncio.gather(*mixed, *good[len(wrong) :])
            return answers[1 : 2 * len(wrong) : 2] + answers[2 * len(wrong) :], answers[
                0 : 2 * len(wrong) : 2
            ]

    good, wrong = asyncio.run(both())
    assert [digits(each) for each in good] == [[7]] * 100
    assert all(400 <= each.status_code < 500 for each in wrong)


def test_a_caller_that_hangs_up_is_logged_and_nothing_else(
    server: Server, seven: bytes
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\n"
                f"Content-Length: {len(seven)}\r\nX-Request-ID: gone\r\n\r\n".encode()
                + seven[:50]
            )
    until(lambda: len(server.log_lines(request_id="gone")) == 5)
    for line in server.log_lines(request_id="gone"):
        assert (line["status"], line["code"]) == (499, "client_disconnected")
    assert digits(server.client.post(PATH, files={"file": seven})) == [7]


def test_a_compressed_body_is_read_where_it_says_so(
    server: Server, seven: bytes
) -> None:
    packed = gzip.compress(seven)
    headers = PNG | {"content-encoding": "gzip"}
    assert digits(server.client.post(PATH, content=packed, headers=headers)) == [7]
    silent = server.client.post(PATH, content=packed, headers=PNG)
    assert_error(silent, 422, "invalid_image")


def test_a_big_photo_is_read_while_others_are_served(
    server: Server, seven: bytes
) -> None:
    big = Image.open(io.BytesIO(seven)).resize((4000, 4000))
    file = io.BytesIO()
    big.save(file, "JPEG")
    assert digits(server.client.post(PATH, files={"file": file.getvalue()})) == [7]


def test_requests_are_logged_as_json_lines(server: Server, seven: bytes) -> None:
    headers = {"x-request-id": "a-request-to-find"}
    server.client.post(PATH, files={"file": seven}, headers=headers)
    until(lambda: bool(server.log_lines(request_id="a-request-to-find")))
    (line,) = server.log_lines(request_id="a-request-to-find")
    assert json.dumps(line)
    assert (line["method"], line["path"], line["status"]) == ("POST", PATH, 200)
    assert (line["model"], line["version"]) == ("digits", NEWEST_DIGITS)
    assert line["rows"] == 1
    assert {"ms", "decode_ms", "queue_ms", "compute_ms", "time"} <= set(line)

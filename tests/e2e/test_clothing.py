"""Clothing from the real server: the same seed, the same bytes, whatever happens."""

import asyncio
import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.server import Server, settle, until
from tests.e2e.test_operations import metric
from tests.generators import write_networks

pytestmark = pytest.mark.slow

GENERATE = "/v1/generate/clothing"
RECONSTRUCT = "/v1/reconstruct/clothing"
INTERPOLATE = "/v1/interpolate/clothing"
PATIENCE_S = 240  # two networks to load and warm, on a machine that may be busy
KINDS = ("application/json", "image/png", "application/zip")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    write_networks(folder)
    return folder


@pytest.fixture(scope="module")
def tailor(
    networks: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of untrained networks of the real kind."""
    log = tmp_path_factory.mktemp("tailor") / "log"
    with Server(log, artifacts=networks, http_processes=2) as started:
        until(started.is_ready, PATIENCE_S)
        yield started


WISHES: list[tuple[dict[str, Any], str]] = [
    ({"generator": generator, "seed": seed} | more, kind)
    for generator in ("vae", "gan")
    for seed in (0, 77, 2**32 - 1)
    for more in ({"count": 1}, {"category": "sandal", "count": 3}, {"count": 40})
    for kind in KINDS
]


def digest(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return hashlib.sha256(response.content).hexdigest()


def alone(server: Server) -> list[str]:
    return [
        digest(server.client.post(GENERATE, json=wish, headers={"accept": kind}))
        for wish, kind in WISHES
    ]


@pytest.fixture(scope="module")
def expected(tailor: Server) -> list[str]:
    """What every wish gives to one who is alone."""
    return alone(tailor)


def test_different_wishes_give_different_bytes(expected: list[str]) -> None:
    assert len(set(expected)) == len(WISHES)


def test_the_same_seed_gives_the_same_bytes_in_a_crowd(
    tailor: Server, expected: list[str]
) -> None:
    """Many at once, in any order, beside others, so that batches are shared at will."""

    async def ask(client: httpx.AsyncClient, index: int) -> tuple[int, str]:
        wish, kind = WISHES[index]
        headers = {"accept": kind}
        return index, digest(await client.post(GENERATE, json=wish, headers=headers))

    async def disturb(client: httpx.AsyncClient, count: int) -> None:
        generator = "vae" if count % 2 else "gan"
        wish = {"count": count, "generator": generator}
        digest(await client.post(GENERATE, json=wish))

    async def crowd() -> list[tuple[int, str]]:
        limits = httpx.Limits(max_connections=24)
        async with httpx.AsyncClient(
            base_url=tailor.url, timeout=60, limits=limits
        ) as client:
            wishes = [*range(len(WISHES))] * 3
            random.Random(0).shuffle(wishes)
            others = [disturb(client, count) for count in range(1, 60)]
            mine, _ = await asyncio.gather(
                asyncio.gather(*(ask(client, index) for index in wishes)),
                asyncio.gather(*others),
            )
            return mine

    before = batches(tailor)
    for index, found in asyncio.run(crowd()):
        assert found == expected[index], WISHES[index]
    rows, runs = batches(tailor) - before
    assert rows / runs > 4  # they did share


def batches(server: Server) -> np.ndarray:
    """Rows and batches of both generators so far."""
    settle()
    names = ("servery_batch_rows_sum", "servery_batch_rows_count")
    return np.array([metric(server, name) for name in names])


def test_the_same_seed_gives_the_same_bytes_after_a_restart(
    networks: Path, expected: list[str], tmp_path: Path
) -> None:
    settings = {"max_batch_rows": 3, "tensorflow_threads": 2}  # other sums, too
    with Server(tmp_path / "log", artifacts=networks, **settings) as started:
        until(started.is_ready, PATIENCE_S)
        assert alone(started) == expected


def test_the_examples_in_the_documentation_work(tailor: Server) -> None:
    paths = tailor.client.get("/openapi.json").json()["paths"]
    for path in (GENERATE, RECONSTRUCT, INTERPOLATE):
        content = paths[path]["post"]["requestBody"]["content"]
        example = content["application/json"]["example"]
        response = tailor.client.post(path, json=example)
        assert response.status_code == 200, response.text
        assert response.json()["model"] == "clothing_vae"


def test_the_first_call_that_anyone_makes_works(tailor: Server) -> None:
    response = tailor.client.post(GENERATE)

    assert len(response.json()["images"]) == 10


def test_the_largest_wish_is_granted(tailor: Server) -> None:
    wish = {"count": 256, "scale": 16, "category": "bag"}
    sheet = tailor.client.post(GENERATE, json=wish, headers={"accept": "image/png"})
    archive = tailor.client.post(
        GENERATE, json=wish, headers={"accept": "application/zip"}
    )

    assert Image.open(io.BytesIO(sheet.content)).size == (7408, 7408)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        assert len(files.namelist()) == 257


def test_what_was_drawn_goes_on_into_the_other_calls(tailor: Server) -> None:
    drawn = tailor.client.post(GENERATE, json={"count": 2, "seed": 1}).json()["images"]
    images = [each["image"] for each in drawn]
    found = tailor.client.post(RECONSTRUCT, json={"images": images})
    assert len(found.json()["reconstructions"]) == 2
    ends = [{"latent": each["latent"], "category": each["category"]} for each in drawn]
    body = {"from": ends[0], "to": ends[1], "steps": 4}
    way = tailor.client.post(INTERPOLATE, json=body)

    frames = way.json()["frames"]
    assert [frames[0]["image"], frames[-1]["image"]] == images
    gif = tailor.client.post(INTERPOLATE, json=body, headers={"accept": "image/gif"})
    assert gif.content.startswith(b"GIF89a")
    assert (
        gif.content
        == tailor.client.post(
            INTERPOLATE, json=body, headers={"accept": "image/gif"}
        ).content
    )


def test_bad_wishes_do_not_disturb_good_ones_in_flight(
    tailor: Server, expected: list[str]
) -> None:
    bad: list[dict[str, Any]] = [
        {"json": {"category": "sock"}},
        {"json": {"count": 1000}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"json": {}, "headers": {"accept": "video/mp4"}},
        {"content": b"x", "headers": {"content-type": "text/plain"}},
    ]
    wish, kind = WISHES[0]

    async def both() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with httpx.AsyncClient(base_url=tailor.url, timeout=60) as client:
            good = [
                client.post(GENERATE, json=wish, headers={"accept": kind})
                for _ in range(40)
            ]
            wrong = [client.post(GENERATE, **each) for each in bad * 8]
            mixed = [job for pair in zip(good, wrong, strict=True) for job in pair]
            answers = await asyncio.gather(*mixed)
            return answers[0::2], answers[1::2]

    good, wrong = asyncio.run(both())
    assert {digest(each) for each in good} == {expected[0]}
    assert [each.status_code for each in wrong] == [422, 422, 400, 406, 415] * 8
    for each in wrong:
        assert each.json()["request_id"] == each.headers["x-request-id"]


def test_a_drawing_is_logged_and_timed_as_a_prediction_is(tailor: Server) -> None:
    headers = {"x-request-id": "a-drawing-to-find"}
    response = tailor.client.post(
        GENERATE, json={"count": 20, "generator": "gan"}, headers=headers
    )
    stages = [
        part.split(";")[0] for part in response.headers["server-timing"].split(", ")
    ]
    assert stages == ["decode", "queue", "compute", "encode", "batch"]
    until(lambda: bool(tailor.log_lines(request_id="a-drawing-to-find")))
    (line,) = tailor.log_lines(request_id="a-drawing-to-find")
    assert (line["model"], line["version"], line["rows"]) == ("clothing_gan", 1, 20)
    labels = {"route": GENERATE, "status": "200", "model": "clothing_gan"}
    assert metric(tailor, "servery_request_seconds_count", **labels) > 0

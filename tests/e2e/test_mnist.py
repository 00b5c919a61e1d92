"""All 10,000 MNIST test images, over HTTP."""

import asyncio

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import to_png
from tests.e2e.server import Server
from training.datasets import mnist
from training.datasets.fetch import DEFAULT_DATA_DIR

pytestmark = pytest.mark.slow

AT_ONCE = 100


def test_http_costs_no_accuracy(server: Server) -> None:
    if not (DEFAULT_DATA_DIR / "mnist").is_dir():
        pytest.skip("MNIST is not in the cache; `python -m training digits` fetches it")
    data = mnist.load()

    async def ask(client: httpx.AsyncClient, images: np.ndarray) -> list[int]:
        files = [("file", to_png(each)) for each in images]
        response = await client.post("/v1/predict/digits", files=files)
        return [each["digit"] for each in response.json()["predictions"]]

    async def all_of_them() -> np.ndarray:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            parts = []
            for start in range(0, len(data.test_images), 4 * AT_ONCE):
                jobs = [
                    ask(client, data.test_images[first : first + AT_ONCE])
                    for first in range(start, start + 4 * AT_ONCE, AT_ONCE)
                ]
                parts += await asyncio.gather(*jobs)
        return np.concatenate(parts)

    accuracy = float(np.mean(asyncio.run(all_of_them()) == data.test_labels))
    model = server.client.get("/v1/models/digits").json()["versions"][0]["manifest"]
    assert abs(accuracy - model["metrics"]["test"]["accuracy"]) < 0.001

"""Drives a server with KServe's client over REST, by V1 and by V2.

Arguments: the URL, and a .npz with `images`, (rows, 28, 28) uint8, and `labels`.
"""

import asyncio
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

url, path = sys.argv[1:]
with np.load(path) as data:
    images, labels = data["images"][:8], data["labels"][:8]


async def fails(call: Any, status: int) -> None:
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        assert error.response.json()["error"] in str(error)
    else:
        raise AssertionError(f"expected {status}")


async def by_v1() -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, "half_plus_two") is True
        answer = await client.infer(url, {"instances": [1.0, 2.0]}, "half_plus_two")
        assert answer == {"predictions": [2.5, 3.0]}
        answer = await client.infer(url, {"instances": images.tolist()}, "digits")
        found = [np.argmax(each) for each in answer["predictions"]]
        assert found == list(labels)
        await fails(client.infer(url, {"instances": [1.0]}, "nobody"), 404)
        await fails(client.infer(url, {"instances": ["a"]}, "half_plus_two"), 400)


async def by_v2() -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url)
        assert await client.is_server_ready(url)
        assert await client.is_model_ready(url, "digits")
        assert not await client.is_model_ready(url, "nobody")
        for binary in (True, False):
            tensor = InferInput("images", list(images.shape), "UINT8")
            tensor.set_data_from_numpy(images, binary_data=binary)
            request = InferRequest("digits", [tensor], request_id="seven")
            answer = await client.infer(url, request, "digits")
            assert (answer.id, answer.model_name) == ("seven", "digits")
            (output,) = [each for each in answer.outputs if "prob" in each.name]
            assert (output.as_numpy().argmax(1) == labels).all()
        await fails(client.infer(url, request, "nobody"), 404)


asyncio.run(by_v1())
asyncio.run(by_v2())
sys.stdout.write("passed\n")

"""Drives a server with tritonclient over HTTP, all calls that it has for models.

Arguments: the address, and a .npz with `images`, (rows, 28, 28) uint8, and `labels`.
The server has digits, and half_plus_two and two_inputs of tests/saved_models.py.
"""

import asyncio
import sys
import time
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

address, path = sys.argv[1:]
with np.load(path) as data:
    images, labels = data["images"][:8], data["labels"][:8]


def inputs(rows: np.ndarray, *, binary: bool = True) -> list[Any]:
    tensor = triton.InferInput("images", list(rows.shape), "UINT8")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return [tensor]


def check(result: Any, expected: np.ndarray) -> None:
    probabilities = result.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    assert (probabilities.argmax(1) == expected).all()


def fails(call: Any, status: str, *words: str) -> None:
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status, error
        for each in words:
            assert each in error.message(), error
    else:
        raise AssertionError(f"expected {status}")


def inferring(client: Any) -> None:
    check(client.infer("digits", inputs(images)), labels)
    for binary_in in (True, False):
        for binary_out in (True, False):
            wanted = triton.InferRequestedOutput(
                "probabilities", binary_data=binary_out
            )
            result = client.infer(
                "digits",
                inputs(images, binary=binary_in),
                model_version="1",
                request_id="seven",
                outputs=[wanted],
                priority=1,
                timeout=30_000_000,
                headers={"x-request-id": "by-triton"},
                parameters={"signature_name": "serving_default"},
            )
            check(result, labels)
            facts = result.get_response()
            assert (facts["id"], facts["model_version"]) == ("seven", "1")
            assert "data" not in facts["outputs"][0] or not binary_out
    best = triton.InferRequestedOutput("probabilities", class_count=1)
    named = client.infer("digits", inputs(images), outputs=[best])
    first = named.as_numpy("probabilities")[:, 0]
    assert [int(each.split(b":")[1]) for each in first] == list(labels)


def compressing(client: Any) -> None:
    """Bodies come in gzip or deflate; answers may be asked for in either."""
    for sent in ("gzip", "deflate"):
        for asked in ("gzip", "deflate"):
            result = client.infer(
                "digits",
                inputs(images),
                request_compression_algorithm=sent,
                response_compression_algorithm=asked,
            )
            check(result, labels)


def inferring_texts(client: Any) -> None:
    names = np.array(["you", "Zoë", ""], dtype=object)
    sizes = np.array([[1, 2], [3, 4], [5, 6]], np.int64)
    for binary in (True, False):
        name = triton.InferInput("name", [3], "BYTES")
        name.set_data_from_numpy(names, binary_data=binary)
        size = triton.InferInput("size", [3, 2], "INT64")
        size.set_data_from_numpy(sizes, binary_data=binary)
        result = client.infer("two_inputs", [name, size])
        greeted = [each.decode() for each in result.as_numpy("greeting")]
        assert greeted == ["hello you", "hello Zoë", "hello "]
        assert (result.as_numpy("double") == 2 * sizes).all()


def inferring_later(client: Any) -> None:
    calls = [
        client.async_infer("digits", inputs(images[index : index + 1]))
        for index in range(len(images))
    ]
    for index, call in enumerate(calls):
        check(call.get_result(), labels[index : index + 1])


def describing(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    for version in ("", "1"):
        assert client.is_model_ready("digits", version)
        metadata = client.get_model_metadata("digits", version)
        assert metadata["platform"] == "tensorflow_savedmodel"
        assert metadata["inputs"] == [
            {"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28]}
        ]
        config = client.get_model_config("digits", version)
        assert config["input"][0]["dims"] == [28, 28]
        assert config["max_batch_size"] > 1
        stats = client.get_inference_statistics("digits", version)["model_stats"]
        assert {each["name"] for each in stats} == {"digits"}
        index = client.get_model_repository_index()
        served = {each["version"] for each in index if each["name"] == "digits"}
        assert len(served) == 2
        assert {each["version"] for each in stats} == ({version} if version else served)
    assert not client.is_model_ready("nobody")
    metadata = client.get_server_metadata()
    assert metadata["name"] == "servery"
    assert "binary_tensor_data" in metadata["extensions"]
    index = client.get_model_repository_index()
    assert {each["name"] for each in index if each["state"] == "READY"} == {
        "digits",
        "half_plus_two",
        "two_inputs",
    }
    every = client.get_inference_statistics()["model_stats"]
    assert {each["name"] for each in every} == {each["name"] for each in index}


def counting(client: Any) -> None:
    """What was asked above is in the statistics, of all processes together."""
    for stats in client.get_inference_statistics("digits")["model_stats"]:
        assert stats["inference_count"] >= len(images) * 4
        assert 1 <= stats["execution_count"] <= stats["inference_count"]
        batches = [each["compute_infer"]["count"] for each in stats["batch_stats"]]
        assert sum(batches) == stats["execution_count"]
        assert abs(stats["last_inference"] / 1000 - time.time()) < 60
        assert stats["inference_stats"]["success"]["count"] >= 4


def failing(client: Any) -> None:
    fails(lambda: client.infer("nobody", inputs(images)), "404", "nobody")
    fails(lambda: client.infer("digits", inputs(images), "9"), "404", "no version 9")
    fails(
        lambda: client.infer("digits", inputs(images[:, :9])), "400", "expected uint8"
    )
    fails(lambda: client.load_model("digits"), "403", "SERVERY_ADMIN_TOKEN")
    fails(lambda: client.unload_model("digits"), "403", "SERVERY_ADMIN_TOKEN")


async def inferring_with_asyncio() -> None:
    async with triton_aio.InferenceServerClient(address) as client:
        calls = [client.infer("digits", inputs(images)) for _ in range(4)]
        for result in await asyncio.gather(*calls):
            check(result, labels)


with triton.InferenceServerClient(address, concurrency=4) as client:
    describing(client)
    inferring(client)
    compressing(client)
    inferring_texts(client)
    inferring_later(client)
    failing(client)
    counting(client)
asyncio.run(inferring_with_asyncio())
sys.stdout.write("passed\n")

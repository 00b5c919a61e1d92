"""Drives a server with tritonclient over gRPC, all calls that it has for models.

Arguments: the address, and a .npz with `images`, (rows, 28, 28) uint8, and `labels`.
"""

import asyncio
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

address, path = sys.argv[1:]
with np.load(path) as data:
    images, labels = data["images"][:8], data["labels"][:8]


def inputs(rows: np.ndarray) -> list[Any]:
    tensor = triton.InferInput("images", list(rows.shape), "UINT8")
    tensor.set_data_from_numpy(rows)
    return [tensor]


def check(result: Any, expected: np.ndarray) -> None:
    probabilities = result.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    assert (probabilities.argmax(1) == expected).all()


def fails(call: Any, status: str) -> None:
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}", error
    else:
        raise AssertionError(f"expected {status}")


def inferring(client: Any) -> None:
    check(client.infer("digits", inputs(images)), labels)
    result = client.infer(
        "digits",
        inputs(images),
        model_version="1",
        request_id="seven",
        outputs=[triton.InferRequestedOutput("probabilities")],
        client_timeout=30,
        timeout=30_000_000,
        priority=1,
        headers={"x-request-id": "by-triton"},
        parameters={"signature_name": "serving_default"},
        compression_algorithm="gzip",
    )
    check(result, labels)
    assert result.get_response().id == "seven"
    best = triton.InferRequestedOutput("probabilities", class_count=1)
    named = client.infer("digits", inputs(images), outputs=[best])
    first = named.as_numpy("probabilities")[:, 0]
    assert [int(each.split(b":")[1]) for each in first] == list(labels)


def inferring_later(client: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    for index in range(len(images)):
        one = inputs(images[index : index + 1])
        client.async_infer(
            "digits",
            one,
            lambda result, error, index=index: answers.put((index, result, error)),
        )
    for _ in images:
        index, result, error = answers.get(timeout=30)
        assert error is None, error
        check(result, labels[index : index + 1])


def streaming(client: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("digits", inputs(images))
    client.async_stream_infer("nobody", inputs(images))
    client.async_stream_infer("digits", inputs(images))
    first, second, third = (answers.get(timeout=30) for _ in range(3))
    check(first[0], labels)
    assert "nobody" in str(second[1])
    check(third[0], labels)
    client.stop_stream()


def describing(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata(as_json=True)["name"] == "servery"
    metadata = client.get_model_metadata("digits", as_json=True)
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": ["-1", "28", "28"]}
    ]
    config = client.get_model_config("digits", as_json=True)["config"]
    assert config["input"][0]["dims"] == ["28", "28"]
    assert config["max_batch_size"] > 1
    index = client.get_model_repository_index(as_json=True)["models"]
    assert {"name": "digits", "version": "1", "state": "READY"} in index
    stats = client.get_inference_statistics("digits", as_json=True)["model_stats"]
    assert stats[0]["name"] == "digits"


def failing(client: Any) -> None:
    fails(lambda: client.infer("nobody", inputs(images)), "NOT_FOUND")
    fails(lambda: client.infer("digits", inputs(images), "9"), "NOT_FOUND")
    fails(lambda: client.infer("digits", inputs(images[:, :9])), "INVALID_ARGUMENT")
    fails(lambda: client.load_model("digits"), "PERMISSION_DENIED")
    fails(lambda: client.unload_model("digits"), "PERMISSION_DENIED")


async def inferring_with_asyncio() -> None:
    async with triton_aio.InferenceServerClient(address) as client:
        calls = [client.infer("digits", inputs(images)) for _ in range(4)]
        for result in await asyncio.gather(*calls):
            check(result, labels)


with triton.InferenceServerClient(address) as client:
    describing(client)
    inferring(client)
    inferring_later(client)
    streaming(client)
    failing(client)
asyncio.run(inferring_with_asyncio())
sys.stdout.write("passed\n")

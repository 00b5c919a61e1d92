"""Bodies of tensors that are meant to hurt: refused by name, and nobody else waits."""

import http.client
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests import saved_models
from tests.e2e.server import Server, until

pytestmark = pytest.mark.slow

HEADER = "Inference-Header-Content-Length"
HALF_TFS = "/v1/models/half_plus_two:predict"
HALF, TEXT, PAIR, FREE = (
    f"/v2/models/{name}/infer"
    for name in ("half_plus_two", "scalar_text", "two_inputs", "any_rank")
)
MANY = 4_000_000 - 128  # elements of 4 bytes that are just within the limit
MOST_WAIT_S = 5.0  # of a small request meanwhile, on a machine that others use too


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Strangers' models and one process that speaks HTTP, which all callers share."""
    folder = tmp_path_factory.mktemp("hostile")
    names = ("half_plus_two", "two_inputs", "scalar_text", "any_rank")
    for name in names:
        saved_models.KINDS[name](folder / "artifacts" / name / "1")
    with Server(
        folder / "log",
        artifacts=folder / "artifacts",
        http_processes=1,
        timeout_ms=30_000,
    ) as server:
        server.wait_ready()
        ready = [f"/v2/models/{name}/ready" for name in names]
        until(lambda: all(server.client.get(each).is_success for each in ready))
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()


def tensor(name: str, shape: list[int], datatype: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype} | more


def binary(raw: bytes, name: str, shape: list[int], datatype: str, **more: Any) -> Any:
    """A body of one raw tensor, and its headers."""
    facts = tensor(name, shape, datatype, parameters={"binary_data_size": len(raw)})
    text = json.dumps({"inputs": [facts]} | more).encode()
    return text + raw, {HEADER: str(len(text))}


def escaped(body: bytes, headers: dict[str, str]) -> Any:
    """The same, with the datatype's name written so that no search finds it."""
    length = int(headers[HEADER])
    text = body[:length].replace(b"BYTES", b"BYTE\\u0053")
    return text + body[length:], {HEADER: str(len(text))}


def outputs(*names: str, **parameters: Any) -> Any:
    facts = tensor("x", [1], "FP32", data=[1])
    wanted = [{"name": name, "parameters": parameters} for name in names]
    return json.dumps({"inputs": [facts], "outputs": wanted}).encode(), {}


def numbers() -> bytes:
    return b"[" + b",".join([b"1.5"] * 3_900_000) + b"]"


CASES: dict[str, tuple[str, Any, int, str]] = {
    "depth, rows": (
        HALF_TFS,
        lambda: (b'{"instances":' + b"[" * 100_000, {}),
        400,
        "not JSON",
    ),
    "depth, 8 MB": (
        HALF,
        lambda: (b'{"inputs":' + b"[" * 8_000_000, {}),
        400,
        "not JSON",
    ),
    "10^9 elements": (
        HALF,
        lambda: binary(b"1234", "x", [10**9], "FP32"),
        400,
        "at most",
    ),
    "10^9 strings": (
        TEXT,
        lambda: binary(b"1234", "x", [10**9], "BYTES"),
        400,
        "at most",
    ),
    "none of 10^18": (
        FREE,
        lambda: binary(b"", "x", [0, 10**18], "FP32"),
        400,
        "at most",
    ),
    "negative": (HALF, lambda: binary(b"1234", "x", [-1], "FP32"), 400, "from 0 on"),
    "string beyond": (
        TEXT,
        lambda: binary(struct.pack("<I", 2**32 - 1), "x", [], "BYTES"),
        400,
        "that do not",
    ),
    "empty strings": (
        PAIR,
        lambda: binary(bytes(4 * MANY), "name", [MANY], "BYTES"),
        400,
        "at most 65,536 elements",
    ),
    "empty strings, escaped": (
        PAIR,
        lambda: escaped(*binary(bytes(4 * MANY), "name", [MANY], "BYTES")),
        400,
        "at most 65,536 elements",
    ),
    "numbers in rows": (
        HALF_TFS,
        lambda: (b'{"instances":' + numbers() + b"}", {}),
        413,
        "at most 256 rows",
    ),
    "numbers in a tensor": (
        FREE,
        lambda: (
            b'{"inputs":[{"name":"x","datatype":"FP32","shape":[3900000],"data":'
            + numbers()
            + b"}]}",
            {},
        ),
        200,
        '"outputs"',
    ),
    "parameters": (
        HALF,
        lambda: binary(
            b"1234",
            "x",
            [1],
            "FP32",
            parameters={str(each): [] for each in range(50_000)},
        ),
        400,
        "at most 64",
    ),
    "parameter": (
        HALF,
        lambda: binary(b"1234", "x", [1], "FP32", parameters={"signature_name": []}),
        400,
        "signature_name",
    ),
    "classes": (
        FREE,
        lambda: binary(
            bytes(4 * MANY),
            "x",
            [1, MANY],
            "FP32",
            outputs=[{"name": "y", "parameters": {"classification": MANY}}],
        ),
        400,
        "classes of all rows",
    ),
    "an output twice": (HALF, lambda: outputs("y", "y"), 400, "received twice"),
    "too many rows": (
        HALF,
        lambda: binary(bytes(4 * MANY), "x", [MANY], "FP32"),
        413,
        "at most 256 rows",
    ),
    "header beyond": (HALF, lambda: (b"{}", {HEADER: "9" * 12}), 400, "2 bytes"),
    "header of digits": (HALF, lambda: (b"{}", {HEADER: "9" * 5000}), 400, "2 bytes"),
    "header negative": (HALF, lambda: (b"{}", {HEADER: "-1"}), 400, "'-1'"),
    "header, other digits": (HALF, lambda: (b"{}", {HEADER: "\xb2"}), 400, "'²'"),
    "nothing": (HALF, lambda: (b"", {HEADER: "0"}), 400, "expected 4 bytes"),
}


@contextmanager
def small_requests(server: Server) -> Iterator[list[float]]:
    """Somebody else's, one after the other; how long each took, in seconds."""
    port, waits, end = int(server.url.rpartition(":")[2]), [], threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not end.is_set():
            began = time.perf_counter()
            connection.request("POST", HALF_TFS, b'{"instances": [1]}')
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"predictions":[2.5]}')
            waits.append(time.perf_counter() - began)
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        until(lambda: len(waits) > 2)
        yield waits
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(("path", "make", "status", "words"), CASES.values(), ids=CASES)
def test_what_is_meant_to_hurt_is_refused_and_nobody_waits(
    served: Server, path: str, make: Any, status: int, words: str
) -> None:
    body, headers = make()
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    with small_requests(served) as waits:
        answer = served.client.post(path, content=body, headers=sent)
    assert answer.status_code == status, answer.text[:1000]
    assert words in (answer.text if status == 200 else answer.json()["error"])
    assert max(waits) < MOST_WAIT_S

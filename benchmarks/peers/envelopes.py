"""Protocols of peers: the same JSON with the same base64 in it, in other envelopes.

BentoML, whose batched methods take lists, and so do requests:

    {"image": "iVBOR…"} ─▶ {"image": ["iVBOR…"]}
    {"predictions": […]} ◀─ […]

The Open Inference Protocol, which MLServer and Triton insist on
(https://github.com/kserve/open-inference-protocol, inference_rest.md):

    {"image": "iVBOR…"} ─▶ {"inputs": [{"name": "image", "datatype": "BYTES", …}]}
    {"predictions": […]} ◀─ {"outputs": [{"name": "digit", "data": [7]}, …]}
"""

import json
from collections.abc import Mapping
from typing import Any


def wrap_list(body: bytes) -> bytes:
    """A request with one field, as every other peer takes it, as a list of one."""
    ((field, text),) = json.loads(body).items()
    return json.dumps({field: [text]}).encode()


def unwrap_list(answer: bytes) -> bytes:
    """A list of one prediction, as every other peer gives it."""
    return json.dumps({"predictions": json.loads(answer)}).encode()


def wrap_v2(
    body: bytes, *, shape: tuple[int, ...], kinds: Mapping[str, str] | None = None
) -> bytes:
    """A request with one field, as every other peer takes it, as one row of BYTES.

    `kinds` has MLServer's name for what the text of a field is: `base64` or `str`.
    """
    ((field, text),) = json.loads(body).items()
    tensor = {"name": field, "shape": shape, "datatype": "BYTES", "data": [text]}
    if kinds:
        tensor["parameters"] = {"content_type": kinds[field]}
    return json.dumps({"inputs": [tensor]}).encode()


def unwrap_v2(answer: bytes) -> bytes:
    """An answer of one row, as every other peer gives it.

    An output of the form (1,) or (1, 1) becomes a number, any longer one a list.
    """
    row: dict[str, Any] = {}
    for output in json.loads(answer)["outputs"]:
        data = output["data"]
        row[output["name"]] = data[0] if len(data) == 1 else data
    return json.dumps({"predictions": [row]}).encode()

"""What digits is asked in every protocol: the same images in each one's bodies."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.subjects import JSON
from benchmarks.workloads import BODIES, DATA
from service.contract.tensor_proto import to_proto
from service.contract.tensorflow_protos import load_module
from service.rpc.generated import open_inference_pb2

HEADER = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"
RAW = "typed endpoint, raw PNG"


@dataclass(frozen=True, slots=True)
class Way:
    """One protocol's way to ask."""

    path: str  # of the URL, or of the RPC's method
    bodies: list[bytes]
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    rpc: bool = False


def infer_body(name: str, array: np.ndarray, *, binary: bool) -> tuple[bytes, int]:
    """A body of V2 for a uint8 tensor, and how much of it is JSON."""
    facts: dict[str, Any] = {
        "name": name,
        "shape": list(array.shape),
        "datatype": "UINT8",
    }
    if not binary:
        facts["data"] = array.ravel().tolist()
        text = json.dumps({"inputs": [facts]}).encode()
        return text, len(text)
    facts["parameters"] = {"binary_data_size": array.nbytes}
    whole = {"inputs": [facts], "parameters": {"binary_data_output": True}}
    text = json.dumps(whole).encode()
    return text + array.tobytes(), len(text)


def ways_to_digits() -> dict[str, Way]:
    """The same 16 images, one in a request, in every protocol."""
    with np.load(DATA / "mnist_sample.npz") as sample:
        images = sample["images"][:BODIES, None]  # each (1, 28, 28)
    binaries = [infer_body("images", each, binary=True) for each in images]
    (length,) = {length for _, length in binaries}
    texts = [infer_body("images", each, binary=False)[0] for each in images]
    infer = "/v2/models/digits/infer"
    rows = [json.dumps({"instances": each.tolist()}).encode() for each in images]
    return {
        RAW: Way("/v1/predict/digits", [*map(_png, images)], "image/png"),
        "V2 REST, binary": Way(
            infer,
            [body for body, _ in binaries],
            BINARY,
            {HEADER: str(length)},
        ),
        "V2 REST, JSON": Way(infer, texts),
        "TensorFlow Serving REST": Way("/v1/models/digits:predict", rows),
        "V2 gRPC": Way(
            "/inference.GRPCInferenceService/ModelInfer",
            [*map(_v2_message, images)],
            rpc=True,
        ),
        "TensorFlow Serving gRPC": Way(
            "/tensorflow.serving.PredictionService/Predict",
            [*map(_tfs_message, images)],
            rpc=True,
        ),
    }


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, format="png")
    return file.getvalue()


def _v2_message(image: np.ndarray) -> bytes:
    request = open_inference_pb2.ModelInferRequest(model_name="digits")
    tensor = request.inputs.add(name="images", datatype="UINT8")
    tensor.shape.extend(image.shape)
    request.raw_input_contents.append(image.tobytes())
    serialized: bytes = request.SerializeToString()
    return serialized


def _tfs_message(image: np.ndarray) -> bytes:
    messages = load_module("tensorflow_serving.apis.predict_pb2")
    request = messages.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["images"].CopyFrom(to_proto(image, "uint8"))
    serialized: bytes = request.SerializeToString()
    return serialized

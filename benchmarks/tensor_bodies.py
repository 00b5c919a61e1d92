"""What digits is asked in every protocol: the same images in each one's bodies."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.turns import Way
from benchmarks.workloads import BODIES, DATA
from loadtest.workloads import to_png
from service.contract.tensor_proto import to_proto
from service.contract.tensorflow_protos import load_module
from service.rpc.generated import open_inference_pb2

HEADER = "Inference-Header-Content-Length"
RAW = "typed endpoint, raw PNG"


def way_to_infer(
    model: str, name: str, arrays: Iterable[np.ndarray], *, binary: bool
) -> Way:
    """V2 with uint8 tensors of one form, as raw bytes behind JSON or as JSON alone."""
    bodies, length = [], 0
    for array in arrays:
        facts: dict[str, Any] = {
            "name": name,
            "shape": list(array.shape),
            "datatype": "UINT8",
        }
        whole: dict[str, Any] = {"inputs": [facts]}
        if binary:
            facts["parameters"] = {"binary_data_size": array.nbytes}
            whole["parameters"] = {"binary_data_output": True}
        else:
            facts["data"] = array.ravel().tolist()
        text = json.dumps(whole).encode()
        length = len(text)
        bodies.append(text + array.tobytes() if binary else text)
    path = f"/v2/models/{model}/infer"
    if not binary:
        return Way(path, bodies)
    return Way(path, bodies, "application/octet-stream", {HEADER: str(length)})


def ways_to_digits() -> dict[str, Way]:
    """The same 16 images, one in a request, in every protocol."""
    with np.load(DATA / "mnist_sample.npz") as sample:
        images = sample["images"][:BODIES, None]  # each (1, 28, 28)
    pngs = [to_png(image[0]) for image in images]
    rows = [json.dumps({"instances": each.tolist()}).encode() for each in images]
    v2, serving = "inference.GRPCInferenceService", "tensorflow.serving"
    return {
        RAW: Way("/v1/predict/digits", pngs, "image/png"),
        "V2 REST, binary": way_to_infer("digits", "images", images, binary=True),
        "V2 REST, JSON": way_to_infer("digits", "images", images, binary=False),
        "TensorFlow Serving REST": Way("/v1/models/digits:predict", rows),
        "V2 gRPC": Way(f"/{v2}/ModelInfer", [*map(_v2_message, images)], rpc=True),
        "TensorFlow Serving gRPC": Way(
            f"/{serving}.PredictionService/Predict",
            [*map(_tfs_message, images)],
            rpc=True,
        ),
    }


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

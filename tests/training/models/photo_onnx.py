"""ResNet50 as ONNX, straight from the TensorFlow.js files: another way to its answers.

Nothing here knows Keras or our own network: layers, their order and the weights come
from `model.json` and the shards, and each kind of layer is said anew in ONNX's words.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

MEANS = np.array([103.939, 116.779, 123.68], np.float32)  # blue, green, red
OPSET = 17


def prepare(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(rows, 224, 224, 3) uint8 RGB to (rows, 3, 224, 224) BGR, minus the means."""
    bgr = images[..., ::-1].astype(np.float32) - MEANS
    return np.ascontiguousarray(bgr.transpose(0, 3, 1, 2))


class Converter:
    """Turns one TensorFlow.js layers model into an ONNX graph, layer by layer."""

    def __init__(self, topology: bytes, shards: bytes):
        model = json.loads(topology)
        self._config = model["modelTopology"]["model_config"]["config"]
        self._weights: dict[str, npt.NDArray[np.float32]] = {}
        offset = 0
        for spec in model["weightsManifest"][0]["weights"]:
            count = int(np.prod(spec["shape"]))
            flat = np.frombuffer(shards, np.float32, count, offset)
            self._weights[spec["name"]] = flat.reshape(spec["shape"])
            offset += flat.nbytes
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def convert(self) -> ModelProto:
        for layer in self._config["layers"]:
            kind, name = layer["class_name"], layer["name"]
            inbound = layer["inbound_nodes"]
            inputs = [node[0] for node in inbound[0]] if inbound else []
            write: Callable[..., None] = getattr(self, f"_write_{kind.lower()}")
            write(name, layer["config"], *inputs)
        ends = "input_layers", "output_layers"
        first, last = (self._config[end][0][0] for end in ends)
        graph = helper.make_graph(
            self._nodes,
            "resnet50",
            [_tensor(first, ["rows", 3, 224, 224])],
            [_tensor(last, ["rows", 1000])],
            list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)

    def _write_inputlayer(self, name: str, config: dict[str, Any]) -> None:
        assert config["batch_input_shape"] == [None, 224, 224, 3]

    def _write_zeropadding2d(self, name: str, config: dict[str, Any], x: str) -> None:
        (top, bottom), (left, right) = config["padding"]
        pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        self._add("Pad", name, x, self._constant(f"{name}/pads", pads))

    def _write_conv2d(self, name: str, config: dict[str, Any], x: str) -> None:
        assert config["activation"] == "linear"
        kernel = self._weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
        size = config["kernel_size"][0]
        margin = (size - 1) // 2 if config["padding"] == "same" else 0
        assert margin == 0 or config["strides"] == [1, 1]
        inputs = [x, self._constant(f"{name}/kernel", kernel)]
        inputs.append(self._weight(name, "bias"))
        self._add("Conv", name, *inputs, strides=config["strides"], pads=[margin] * 4)

    def _write_batchnormalization(
        self, name: str, config: dict[str, Any], x: str
    ) -> None:
        variables = ("gamma", "beta", "moving_mean", "moving_variance")
        weights = [self._weight(name, variable) for variable in variables]
        self._add(
            "BatchNormalization", name, x, *weights, epsilon=float(config["epsilon"])
        )

    def _write_activation(self, name: str, config: dict[str, Any], x: str) -> None:
        assert config["activation"] == "relu"
        self._add("Relu", name, x)

    def _write_maxpooling2d(self, name: str, config: dict[str, Any], x: str) -> None:
        assert config["padding"] == "valid"
        strides, size = config["strides"], config["pool_size"]
        self._add("MaxPool", name, x, kernel_shape=size, strides=strides)

    def _write_add(self, name: str, config: dict[str, Any], *inputs: str) -> None:
        self._add("Add", name, *inputs)

    def _write_globalaveragepooling2d(
        self, name: str, config: dict[str, Any], x: str
    ) -> None:
        self._add("GlobalAveragePool", f"{name}/square", x)
        self._add("Flatten", name, f"{name}/square")

    def _write_dense(self, name: str, config: dict[str, Any], x: str) -> None:
        assert config["activation"] == "softmax"
        weights = self._weight(name, "kernel"), self._weight(name, "bias")
        self._add("Gemm", f"{name}/logits", x, *weights)
        self._add("Softmax", name, f"{name}/logits", axis=1)

    def _add(self, operator: str, output: str, *inputs: str, **attributes: Any) -> None:
        self._nodes.append(
            helper.make_node(operator, inputs, [output], output, **attributes)
        )

    def _weight(self, layer: str, variable: str) -> str:
        name = f"{layer}/{variable}"
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        ordered = np.ascontiguousarray(values)
        self._constants[name] = numpy_helper.from_array(ordered, name)
        return name


def _tensor(name: str, shape: list[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

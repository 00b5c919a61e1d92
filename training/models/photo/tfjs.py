"""A TensorFlow.js layers model as tensors: what the registry has of ResNet50's weights.

The format: `model.json` holds the layers (`modelTopology`) and, in `weightsManifest`,
the name, shape and dtype of each tensor in the order in which the shards hold them.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.datasets.fetch import CorruptedData

Tensors = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything that ResNet50 learned.

    Attributes:
        tensors: `<layer>/<variable>` → float32, by the names of Keras's `ResNet50`.
        epsilon: that of all batch normalisations.
    """

    tensors: Tensors
    epsilon: float


def parse_model(topology: bytes, content: bytes) -> Weights:
    """Read a TensorFlow.js ResNet50.

    Args:
        topology: its `model.json`.
        content: its shards, joined in order.

    Raises:
        CorruptedData: Quantised, another dtype, or more or fewer bytes than promised.
    """
    model = json.loads(topology)
    return Weights(
        tensors={
            _rename(name): tensor
            for name, tensor in _cut(model["weightsManifest"], content)
        },
        epsilon=_find_epsilon(model["modelTopology"]["model_config"]),
    )


def rename_layer(old: str) -> str:
    """Give today's name in Keras of a layer that Keras named in 2019.

    `res2a_branch2b` → `conv2_block1_2_conv`, `bn2a_branch1` → `conv2_block1_0_bn`.
    """
    if old in (others := {"conv1": "conv1_conv", "bn_conv1": "conv1_bn"}):
        return others[old]
    if old == "fc1000":
        return "predictions"
    kind = "bn" if old.startswith("bn") else "conv"
    place, branch = old.removeprefix("bn").removeprefix("res").split("_branch")
    stage, block = place[0], ord(place[1]) - ord("a") + 1
    number = {"1": 0, "2a": 1, "2b": 2, "2c": 3}[branch]
    return f"conv{stage}_block{block}_{number}_{kind}"


def _rename(name: str) -> str:
    layer, variable = name.split("/")
    return f"{rename_layer(layer)}/{variable}"


def _cut(
    groups: list[Mapping[str, Any]], content: bytes
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    offset = 0
    for spec in (spec for group in groups for spec in group["weights"]):
        if spec["dtype"] != "float32" or "quantization" in spec:
            raise CorruptedData(
                f"{spec['name']}: expected plain float32, received {spec}"
            )
        count = math.prod(spec["shape"])
        if offset + 4 * count > len(content):
            raise CorruptedData(
                f"{spec['name']}: expected {4 * count} bytes from {offset} on, "
                f"received {len(content)} bytes in all"
            )
        flat = np.frombuffer(content, "<f4", count, offset)
        yield spec["name"], flat.reshape(spec["shape"])
        offset += 4 * count
    if offset != len(content):
        raise CorruptedData(f"expected {offset} bytes, received {len(content)}")


def _find_epsilon(model: Mapping[str, Any]) -> float:
    found = {
        layer["config"]["epsilon"]
        for layer in model["config"]["layers"]
        if layer["class_name"] == "BatchNormalization"
    }
    if len(found) != 1:
        raise CorruptedData(f"epsilon: expected one for all layers, received {found}")
    return float(found.pop())

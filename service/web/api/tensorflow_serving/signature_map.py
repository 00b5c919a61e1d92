"""Signatures as TensorFlow's `SignatureDef` is written in JSON."""

from typing import Any

from service.contract.contract import Contract
from service.contract.signature import TensorSpec
from service.contract.tensor_proto import DTYPES

ENUMS = {name: enum for enum, name in DTYPES.items()}
TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


def describe_signatures(contract: Contract) -> dict[str, Any]:
    """All signatures of a version: what `/metadata` answers."""
    return {
        "@type": TYPE,
        "signature_def": {
            name: {
                "inputs": {each.name: _describe(each) for each in signature.inputs},
                "outputs": {each.name: _describe(each) for each in signature.outputs},
                "method_name": signature.method,
            }
            for name, signature in contract.signatures.items()
        },
    }


def _describe(spec: TensorSpec) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in spec.shape]
    return {
        "dtype": ENUMS[spec.dtype],
        "tensor_shape": {
            "dim": [{"size": str(size), "name": ""} for size in sizes],
            "unknown_rank": spec.any_rank,
        },
        "name": f"{spec.name}:0",
    }

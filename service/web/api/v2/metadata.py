"""What the Open Inference Protocol says of server and models, by REST and gRPC."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version as package_version
from typing import Any

from service.contract.contract import Contract
from service.contract.signature import TensorSpec
from service.engine.catalog import ModelStatus, VersionState
from service.web.api.v2.datatypes import DATATYPES
from service.web.api.v2.infer import DEFAULT_SIGNATURE

PLATFORM, BACKEND = "tensorflow_savedmodel", "tensorflow"
EXTENSIONS = (
    "binary_tensor_data", "classification", "model_configuration", "model_repository",
    "schedule_policy", "statistics",
)  # fmt: skip
STATES = {
    VersionState.LOADING: "LOADING",
    VersionState.READY: "READY",
    VersionState.DRAINING: "UNLOADING",
    VersionState.FAILED: "UNAVAILABLE",
}

Content = dict[str, Any]
"""JSON-ready, with the names of the fields of the protocol's messages."""


def describe_server() -> Content:
    """Who answers, and what it can do beside the protocol."""
    version = package_version("servery")
    return {"name": "servery", "version": version, "extensions": EXTENSIONS}


def describe_model(contract: Contract, model: ModelStatus) -> Content:
    """The inputs and outputs of a version, by the signature that answers by default."""
    signature = contract.signatures[_default(contract)]
    ready = [v.version for v in model.versions if v.state is VersionState.READY]
    return {
        "name": contract.name,
        "versions": [str(version) for version in ready],
        "platform": PLATFORM,
        "inputs": [_tensor(each) for each in signature.inputs],
        "outputs": [_tensor(each) for each in signature.outputs],
    }


def describe_config(contract: Contract, most_rows: int) -> Content:
    """The same as Triton's configuration says it: with rows apart from the shapes.

    Args:
        contract: Of the version.
        most_rows: That one request may carry; `max_batch_size` says so to clients.
    """
    name = _default(contract)
    signature, batches = contract.signatures[name], contract.batches(name)
    content: Content = {
        "name": contract.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "max_batch_size": most_rows if batches else 0,
        "input": [_config(each, batches=batches) for each in signature.inputs],
        "output": [_config(each, batches=batches) for each in signature.outputs],
    }
    if batches:
        sizes = list(contract.sizes(name))
        content["dynamic_batching"] = {"preferred_batch_size": sizes}
    return content


def describe_index(models: Iterable[ModelStatus], *, only_ready: bool) -> list[Content]:
    """Every version of every model, or those that are ready."""
    return [
        {
            "name": model.name,
            "version": str(each.version),
            "state": STATES[each.state],
            "reason": each.reason or "",
        }
        for model in models
        for each in model.versions
        if each.state is VersionState.READY or not only_ready
    ]


def _default(contract: Contract) -> str:
    if DEFAULT_SIGNATURE in contract.signatures:
        return DEFAULT_SIGNATURE
    return next(iter(contract.signatures))


def _tensor(spec: TensorSpec) -> Content:
    datatype = DATATYPES.get(spec.dtype, spec.dtype.upper())
    return {"name": spec.name, "datatype": datatype, "shape": _dimensions(spec)}


def _config(spec: TensorSpec, *, batches: bool) -> Content:
    name = DATATYPES.get(spec.dtype, "INVALID").replace("BYTES", "STRING")
    dimensions = _dimensions(spec)[batches:]
    optional = {"optional": True} if spec.default is not None else {}
    facts = {"name": spec.name, "data_type": f"TYPE_{name}", "dims": dimensions}
    return facts | optional


def _dimensions(spec: TensorSpec) -> Sequence[int]:
    return [-1] if spec.any_rank else [-1 if s is None else s for s in spec.shape]

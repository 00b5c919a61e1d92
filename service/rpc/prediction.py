"""TensorFlow Serving's `tensorflow.serving.PredictionService`.

Rules and answers are those of its prediction_service.proto and of servables/tensorflow
in its sources.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from service.contract.contract import Contract
from service.contract.inputs import find_signature
from service.contract.signature import Signature, TensorSpec
from service.contract.tensor_proto import ENUMS, TensorProtoError, to_array, to_proto
from service.contract.tensorflow_protos import load_module
from service.errors import InvalidInput, NotSupported
from service.rpc import examples
from service.rpc.call import RpcCall
from service.rpc.methods import Method

Array = np.ndarray

_APIS = "tensorflow_serving.apis"
SERVICE = load_module(f"{_APIS}.prediction_service_pb2").DESCRIPTOR.services_by_name[
    "PredictionService"
]
_predict = load_module(f"{_APIS}.predict_pb2")
_classification = load_module(f"{_APIS}.classification_pb2")
_regression = load_module(f"{_APIS}.regression_pb2")
_inference = load_module(f"{_APIS}.inference_pb2")
_metadata = load_module(f"{_APIS}.get_model_metadata_pb2")
_types = load_module("tensorflow.core.framework.types_pb2")

DEFAULT_SIGNATURE = "serving_default"
SIGNATURE_DEF = "signature_def"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


async def predict(request: Any, call: RpcCall) -> Any:
    """Tensors by name to tensors by name."""
    contract = find(request.model_spec, call)
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    wanted = _filtered(request.output_filter, find_signature(contract, name))
    most = call.state.settings.max_body_bytes
    inputs = await call.decode(partial(_arrays, request.inputs, most))
    answer = await call.infer(contract, name, inputs)
    response = _predict.PredictResponse()
    _answer_spec(response, contract, name)
    pairs = _outputs(contract, name, answer.outputs)

    def fill() -> None:
        for spec, array in pairs:
            if spec.name in wanted:
                response.outputs[spec.name].CopyFrom(to_proto(array, spec.dtype))

    await call.encode(answer.outputs, fill)
    return response


async def classify(request: Any, call: RpcCall) -> Any:
    """Examples to labels and scores."""
    contract, name, outputs = await _run_examples(request, call, CLASSIFY)
    response = _classification.ClassificationResponse()
    _answer_spec(response, contract, name)
    examples.fill_classifications(response.result, outputs)
    return response


async def regress(request: Any, call: RpcCall) -> Any:
    """Examples to a number each."""
    contract, name, outputs = await _run_examples(request, call, REGRESS)
    response = _regression.RegressionResponse()
    _answer_spec(response, contract, name)
    examples.fill_regressions(response.result, outputs)
    return response


async def multi_inference(request: Any, call: RpcCall) -> Any:
    """The same examples by several signatures of one version, side by side."""
    contract, names = _check_tasks(request.tasks, call)
    work = [
        _infer_examples(request.input, task.method_name, contract, name, call)
        for task, name in zip(request.tasks, names, strict=True)
    ]
    try:
        async with asyncio.TaskGroup() as group:
            computing = [group.create_task(each) for each in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    response = _inference.MultiInferenceResponse()
    for task, name, computed in zip(request.tasks, names, computing, strict=True):
        result = response.results.add()
        _answer_spec(result, contract, name)
        if task.method_name == CLASSIFY:
            examples.fill_classifications(
                result.classification_result, computed.result()
            )
        else:
            examples.fill_regressions(result.regression_result, computed.result())
    return response


async def get_model_metadata(request: Any, call: RpcCall) -> Any:
    """The signatures of a version, the one kind of metadata that there is."""
    contract = find(request.model_spec, call)
    if list(request.metadata_field) != [SIGNATURE_DEF]:
        received = ", ".join(request.metadata_field) or "none"
        raise InvalidInput(
            f"metadata_field: expected {SIGNATURE_DEF}, received {received[:256]}"
        )
    signatures = _metadata.SignatureDefMap()
    for name, signature in contract.signatures.items():
        definition = signatures.signature_def[name]
        definition.method_name = signature.method
        for specs, infos in (
            (signature.inputs, definition.inputs),
            (signature.outputs, definition.outputs),
        ):
            for spec in specs:
                _describe(spec, infos[spec.name])
    response = _metadata.GetModelMetadataResponse()
    response.model_spec.name = contract.name
    response.model_spec.version.value = contract.version
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response


METHODS = {
    "Predict": Method(predict, computes=True),
    "Classify": Method(classify, computes=True),
    "Regress": Method(regress, computes=True),
    "MultiInference": Method(multi_inference, computes=True),
    "GetModelMetadata": Method(get_model_metadata),
}


def find(spec: Any, call: RpcCall) -> Contract:
    """The contract of the version that a `ModelSpec` means.

    Raises:
        InvalidInput: It names no model.
        ModelNotFound, VersionNotFound, ModelNotReady: See `Catalog.find`.
    """
    label = None
    if spec.WhichOneof("version_choice") == "version_label":
        label = spec.version_label
    return call.find(check_named(spec), wanted_version(spec), label)


def check_named(spec: Any) -> str:
    """The model's name.

    Raises:
        InvalidInput: There is none.
    """
    if not spec.name:
        raise InvalidInput("model_spec: expected the name of a model, received none")
    return str(spec.name)


def wanted_version(spec: Any) -> int | None:
    """The version that is named by its number; None if it is not."""
    choice = spec.WhichOneof("version_choice")
    return spec.version.value if choice == "version" else None


async def _run_examples(
    request: Any, call: RpcCall, method: str
) -> tuple[Contract, str, dict[str, Array]]:
    contract = find(request.model_spec, call)
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    outputs = await _infer_examples(request.input, method, contract, name, call)
    return contract, name, outputs


async def _infer_examples(
    given: Any, method: str, contract: Contract, name: str, call: RpcCall
) -> dict[str, Array]:
    """What a signature for a method makes of an `Input`, by the output's name."""
    signature = find_signature(contract, name)
    inputs = examples.parse(given, name, signature, method)
    answer = await call.infer(contract, name, inputs)
    pairs = _outputs(contract, name, answer.outputs)
    return {spec.name: array for spec, array in pairs}


def _check_tasks(tasks: Sequence[Any], call: RpcCall) -> tuple[Contract, Sequence[str]]:
    """The version that all tasks are for, and the signature of each.

    Raises:
        InvalidInput: They are for several models or versions, or one signature is to be
            computed twice.
        NotSupported: One is no classification and no regression.
        ServeryError: See `find` and `find_signature`.
    """
    if not tasks:
        raise InvalidInput("tasks: expected at least one, received none")
    first = tasks[0].model_spec
    contract = find(first, call)
    names: dict[str, None] = {}
    for spec, method in [(each.model_spec, each.method_name) for each in tasks]:
        if check_named(spec) != first.name:
            raise InvalidInput(
                f"tasks: expected one model for all, received {first.name} and "
                f"{spec.name[:256]}"
            )
        if spec.WhichOneof("version_choice") and _choice(spec) != _choice(first):
            raise InvalidInput(
                "tasks: expected one version for all, received several; the first says "
                "which"
            )
        name = spec.signature_name or DEFAULT_SIGNATURE
        find_signature(contract, name)
        if name in names:
            raise InvalidInput(
                f"tasks: expected each signature once, received {name} twice"
            )
        if method not in (CLASSIFY, REGRESS):
            raise NotSupported(
                f"method_name: expected {CLASSIFY} or {REGRESS}, received "
                f"{method[:256] or 'none'}"
            )
        names[name] = None
    return contract, list(names)


def _choice(spec: Any) -> tuple[int, str]:
    return spec.version.value, spec.version_label


def _outputs(
    contract: Contract, name: str, arrays: Sequence[Array]
) -> list[tuple[TensorSpec, Array]]:
    return list(zip(contract.signatures[name].outputs, arrays, strict=True))


def _answer_spec(response: Any, contract: Contract, signature: str) -> None:
    response.model_spec.name = contract.name
    response.model_spec.version.value = contract.version
    response.model_spec.signature_name = signature


def _filtered(names: Sequence[str], signature: Signature) -> Sequence[str]:
    """The outputs that are wanted; all where none is named."""
    known = [spec.name for spec in signature.outputs]
    if not set(names) <= set(known) or len(set(names)) < len(names):
        raise InvalidInput(
            f"output_filter: expected each of {', '.join(known)} at most once, "
            f"received {', '.join(names)[:256]}"
        )
    return names or known


def _arrays(protos: Mapping[str, Any], most_bytes: int) -> dict[str, Array]:
    arrays = {}
    for name, proto in protos.items():
        try:
            arrays[name] = to_array(proto, most_bytes)
        except TensorProtoError as error:
            raise InvalidInput(f"input {name[:256]}: {error}") from error
    return arrays


def _describe(spec: TensorSpec, info: Any) -> None:
    """A `TensorInfo` of what goes in or comes out."""
    info.name = f"{spec.name}:0"
    info.dtype = _types.DataType.Value(ENUMS[spec.dtype])
    if spec.any_rank:
        info.tensor_shape.unknown_rank = True
        return
    for size in spec.shape:
        info.tensor_shape.dim.add(size=-1 if size is None else size)

"""The Open Inference Protocol's gRPC service, `inference.GRPCInferenceService`.

https://github.com/kserve/open-inference-protocol, with Triton's extensions for
configuration, statistics, streams and the repository's index.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict
from pydantic import ValidationError

from service.engine.commands import Command
from service.errors import InvalidInput, ServeryError
from service.rpc.call import RpcCall
from service.rpc.contents import parse_inputs, parse_parameters, render_outputs
from service.rpc.generated import open_inference_pb2 as protocol
from service.rpc.methods import Method
from service.rpc.texts import asks_for_text, write_pieces, write_whole
from service.web.api.v2.infer import (
    InferRequest,
    OutputRequest,
    parse_infer,
)
from service.web.api.v2.metadata import (
    describe_config,
    describe_index,
    describe_model,
    describe_server,
)
from service.web.api.v2.statistics import describe_statistics

SERVICE = protocol.DESCRIPTOR.services_by_name["GRPCInferenceService"]

MOST_DIGITS = 18  # of a version: what fits an int64


async def infer(request: protocol.ModelInferRequest, call: RpcCall) -> Any:
    """Compute, on raw or typed contents; answered in the form in which it was asked."""
    contract = call.find(request.model_name, _version(request.model_version))
    if asks_for_text(request):
        return await write_whole(request, call, contract)
    try:
        asked = InferRequest(
            id=request.id,
            inputs=[],
            parameters=parse_parameters(request.parameters),
            outputs=[
                OutputRequest(
                    name=each.name, parameters=parse_parameters(each.parameters)
                )
                for each in request.outputs
            ],
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{where}: {first['msg']}") from error
    parsed = parse_infer(asked, memoryview(b""), contract)
    inputs = await call.decode(partial(parse_inputs, request))
    call.record.bulk = parsed.bulk
    answer = await call.infer(contract, parsed.signature, inputs, parsed.timeout_ms)
    response = protocol.ModelInferResponse(
        model_name=contract.name, model_version=str(answer.version), id=request.id
    )
    typed = bool(request.inputs) and not request.raw_input_contents
    render = partial(
        render_outputs, parsed.outputs, answer.outputs, contract.labels, response
    )
    await call.encode(answer.outputs, partial(render, typed=typed))
    return response


async def infer_stream(
    request: protocol.ModelInferRequest, call: RpcCall
) -> AsyncIterator[Any]:
    """The same in a stream; texts are answered piece by piece."""
    if not asks_for_text(request):
        yield await infer(request, call)
        return
    contract = call.find(request.model_name, _version(request.model_version))
    async with aclosing(write_pieces(request, call, contract)) as pieces:
        async for piece in pieces:
            yield piece


async def server_live(_: Any, call: RpcCall) -> Any:
    """Whether this process answers at all."""
    return protocol.ServerLiveResponse(live=True)


async def server_ready(_: Any, call: RpcCall) -> Any:
    """Whether every model answers."""
    state = call.state
    ready = not state.draining and not state.engine.catalog.problems()
    return protocol.ServerReadyResponse(ready=ready)


async def model_ready(request: protocol.ModelReadyRequest, call: RpcCall) -> Any:
    """Whether a model, or a version of it, answers."""
    version = _version(request.version)
    try:
        call.find(request.name, version)
    except ServeryError:
        return protocol.ModelReadyResponse(ready=False)
    return protocol.ModelReadyResponse(ready=True)


async def server_metadata(_: Any, call: RpcCall) -> Any:
    """Who answers, and what it can do beside the protocol."""
    return ParseDict(describe_server(), protocol.ServerMetadataResponse())


async def model_metadata(request: protocol.ModelMetadataRequest, call: RpcCall) -> Any:
    """What goes in and what comes out."""
    contract = call.find(request.name, _version(request.version))
    model = call.state.engine.catalog.model(request.name)
    return ParseDict(describe_model(contract, model), protocol.ModelMetadataResponse())


async def model_config(request: protocol.ModelConfigRequest, call: RpcCall) -> Any:
    """The same as Triton's configuration says it: with rows apart from the shapes."""
    contract = call.find(request.name, _version(request.version))
    config = describe_config(contract, call.state.settings.max_request_rows)
    return ParseDict({"config": config}, protocol.ModelConfigResponse())


async def model_statistics(
    request: protocol.ModelStatisticsRequest, call: RpcCall
) -> Any:
    """What was asked of versions so far; see `describe_statistics`."""
    state = call.state
    version = _version(request.version)
    if request.name:
        call.find(request.name, version)
    names = [request.name] if request.name else list(state.engine.catalog.models)
    models = [state.engine.catalog.model(name) for name in names]
    state.accounting.flush()
    work = partial(describe_statistics, state.metrics, models, version)
    found = await state.in_thread(work)
    return protocol.ModelStatisticsResponse(
        model_stats=[ParseDict(each, protocol.ModelStatistics()) for each in found]
    )


async def load_model(request: Any, call: RpcCall) -> Any:
    """Load a model; closed unless an administration token is set."""
    await call.administrate(Command(action="load", model=request.model_name))
    return protocol.RepositoryModelLoadResponse()


async def unload_model(request: Any, call: RpcCall) -> Any:
    """Unload a model; closed unless an administration token is set."""
    await call.administrate(Command(action="unload", model=request.model_name))
    return protocol.RepositoryModelUnloadResponse()


async def repository_index(
    request: protocol.RepositoryIndexRequest, call: RpcCall
) -> Any:
    """Every version of every model, or those that are ready."""
    models = call.state.engine.catalog.models.values()
    index = describe_index(models, only_ready=request.ready)
    return ParseDict({"models": index}, protocol.RepositoryIndexResponse())


METHODS = {
    "ServerLive": Method(server_live),
    "ServerReady": Method(server_ready),
    "ModelReady": Method(model_ready),
    "ServerMetadata": Method(server_metadata),
    "ModelMetadata": Method(model_metadata),
    "ModelConfig": Method(model_config),
    "ModelStatistics": Method(model_statistics),
    "RepositoryIndex": Method(repository_index),
    "RepositoryModelLoad": Method(load_model),
    "RepositoryModelUnload": Method(unload_model),
    "ModelInfer": Method(infer, computes=True),
    "ModelStreamInfer": Method(infer_stream, computes=True),
}


def _version(text: str) -> int | None:
    """The version that a request means; none if it does not say.

    Raises:
        InvalidInput: It is no number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise InvalidInput(
            f"version: expected a whole number or nothing, received {text[:64]!r}"
        )
    return int(text)

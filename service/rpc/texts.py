"""Texts over the Open Inference Protocol's stream: a message for what was written.

The request has the tensor `text_input`, one element of BYTES, and says the rest in its
parameters, named as in `POST /v1/generate/<name>`; each answer has `text_output`. Names
and `triton_final_response` are those of Triton's backends that write texts.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import numpy as np

from service.contract.contract import Contract
from service.engine.texts.request import Written
from service.errors import InvalidInput
from service.rpc.call import RpcCall
from service.rpc.contents import parse_inputs, parse_parameters
from service.rpc.generated import open_inference_pb2 as protocol
from service.tasks.writing import Asked, TextGenerator, name_reason
from service.web.api.v2.datatypes import to_raw
from service.web.http.body import validate

PROMPT, TEXT, LAST = "text_input", "text_output", "triton_final_response"
OF_THE_PROTOCOL = ("timeout", "priority", "triton_enable_empty_final_response")


def asks_for_text(request: protocol.ModelInferRequest) -> bool:
    """Whether a request is for a text, and not for tensors of a signature."""
    return any(each.name == PROMPT for each in request.inputs)


def read_text(
    request: protocol.ModelInferRequest,
    call: RpcCall,
    contract: Contract,
    *,
    streams: bool,
) -> Asked:
    """What is to be written.

    Raises:
        InvalidInput: The model writes none, or not that.
    """
    endpoint = call.state.tasks.find(contract)
    if not isinstance(endpoint, TextGenerator):
        raise InvalidInput(
            f"{PROMPT}: expected a model that writes texts, received {contract.name}"
        )
    given = parse_inputs(request)
    prompt = given.pop(PROMPT)
    if given or prompt.dtype != object or prompt.size != 1:
        raise InvalidInput(
            f"expected one input, {PROMPT}, of one element of BYTES; received "
            f"{len(request.inputs)} inputs, {prompt.size} elements"
        )
    asked = parse_parameters(request.parameters)
    facts = {name: each for name, each in asked.items() if name not in OF_THE_PROTOCOL}
    if "temperature" in facts and isinstance(facts["temperature"], int):
        facts["temperature"] = float(facts["temperature"])
    try:
        facts["prompt"] = bytes(prompt.ravel()[0]).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{PROMPT}: expected UTF-8, received the byte at {error.start}"
        ) from error
    return endpoint.decide(validate(facts, endpoint.request), contract, streams=streams)


async def write_whole(
    request: protocol.ModelInferRequest, call: RpcCall, contract: Contract
) -> protocol.ModelInferResponse:
    """All texts in one answer."""
    asked = read_text(request, call, contract, streams=False)
    alphabet = _endpoint(call, contract).alphabet
    texts = call.write(contract, asked.request)
    found = await texts.read_all()
    told = [alphabet.write([each.symbol for each in symbols]) for symbols, _ in found]
    response = _respond(request, contract, asked, told)
    for index, (_, end) in enumerate(found):
        _say(response, f"finish_reason_{index}" if index else "finish_reason", end)
    return response


async def write_pieces(
    request: protocol.ModelInferRequest, call: RpcCall, contract: Contract
) -> AsyncGenerator[protocol.ModelInferResponse, None]:
    """An answer for what came together of each text, and an empty last one."""
    asked = read_text(request, call, contract, streams=True)
    alphabet = _endpoint(call, contract).alphabet
    texts = call.write(contract, asked.request)
    try:
        async for written in texts.read():
            for index, symbols, end in _group(written):
                text = alphabet.write([each.symbol for each in symbols])
                response = _respond(request, contract, asked, [text])
                response.parameters["index"].int64_param = index
                if end is not None:
                    _say(response, "finish_reason", end)
                yield response
        response = _respond(request, contract, asked, [])
        response.parameters[LAST].bool_param = True
        yield response
    finally:
        texts.close()


def _endpoint(call: RpcCall, contract: Contract) -> TextGenerator:
    endpoint = call.state.tasks.find(contract)
    assert isinstance(endpoint, TextGenerator)  # noqa: S101 - as was read
    return endpoint


def _group(
    written: Sequence[Written],
) -> list[tuple[int, list[Written], Written | None]]:
    """Of each text that there is more of: its symbols, and its end if it has ended."""
    found: dict[int, tuple[list[Written], list[Written]]] = {}
    for each in written:
        symbols, ends = found.setdefault(each.text, ([], []))
        (symbols if each.reason is None else ends).append(each)
    return [
        (index, symbols, ends[0] if ends else None)
        for index, (symbols, ends) in found.items()
    ]


def _respond(
    request: protocol.ModelInferRequest,
    contract: Contract,
    asked: Asked,
    texts: Sequence[str],
) -> protocol.ModelInferResponse:
    response = protocol.ModelInferResponse(
        model_name=contract.name, model_version=str(contract.version), id=request.id
    )
    response.parameters["seed"].int64_param = asked.facts["seed"]
    response.parameters[LAST].bool_param = False
    if not texts:
        return response
    data = np.array([*(text.encode() for text in texts), None], dtype=object)[:-1]
    tensor = response.outputs.add(name=TEXT, datatype="BYTES", shape=data.shape)
    if request.raw_input_contents:
        response.raw_output_contents.append(bytes(to_raw(data)))
    else:
        tensor.contents.bytes_contents.extend(data.tolist())
    return response


def _say(response: Any, name: str, end: Written) -> None:
    response.parameters[name].string_param = name_reason(end)

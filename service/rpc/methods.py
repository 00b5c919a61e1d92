"""Makes a service of a table of handlers: identity, limits, errors, log and metrics.

bytes ─▶ record ─▶ room? ─▶ caller? ─▶ parse ─▶ handler ─▶ bytes
            │        │         │         │         │
            └────────┴─────────┴─────────┴─────────┴─▶ logged, counted, a gRPC status
"""

import asyncio
import logging
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from service.errors import (
    DeadlineExceeded,
    MalformedBody,
    ServeryError,
    Unavailable,
    forget_frames,
)
from service.rpc.call import RpcCall
from service.rpc.status import status_of
from service.rpc.wire import check_work
from service.web.http.accounting import FULL
from service.web.http.forwarded import network_of
from service.web.http.record import RequestRecord
from service.web.state import AppState

logger = logging.getLogger(__name__)

INTERNAL = "Internal error; the log knows more by this id."
LONG_BYTES = 1 << 16  # messages of more are checked and parsed in a thread
MOST_BYTES = 2000  # of an error: most take 3 in metadata, of which clients take 8 KiB
COMPUTES, TELLS = "POST", "GET"  # HTTP's words for what counts against the limit

Handler = Callable[[Any, RpcCall], Awaitable[Any] | AsyncIterator[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does.

    Attributes:
        handler: Makes the answer's message of the request's; in a stream, several.
        computes: Whether it asks a model, and so counts against the limit in flight.
    """

    handler: Handler
    computes: bool = False


def build_service(
    state: AppState, service: ServiceDescriptor, methods: Mapping[str, Method]
) -> grpc.GenericRpcHandler:
    """A service whose methods are in a table; gRPC says UNIMPLEMENTED of all others.

    Args:
        state: What all requests share.
        service: Which methods there are, and their messages.
        methods: By name.
    """
    handlers = {}
    for name, method in methods.items():
        descriptor = service.methods_by_name[name]
        serving = _Serving(state, descriptor, method)
        handlers[name] = (
            grpc.stream_stream_rpc_method_handler(serving.stream)
            if descriptor.client_streaming
            else grpc.unary_unary_rpc_method_handler(serving.unary)
        )
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


class _Serving:
    """One method, as grpcio calls it: bytes in, bytes out."""

    def __init__(self, state: AppState, descriptor: MethodDescriptor, method: Method):
        self._state, self._method = state, method
        self._path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
        self._input = descriptor.input_type
        self._request: type[Message] = GetMessageClass(descriptor.input_type)
        self._answer: Any = GetMessageClass(descriptor.output_type)

    async def unary(self, data: bytes, context: Any) -> bytes:
        """Serve one RPC of one message each way."""
        record = self._record(context)
        answer: Any = None
        async for only in self._serve(data, context, record):
            answer = only
        if isinstance(answer, ServeryError):
            metadata = [*_metadata(record), *answer.headers.items()]
            context.set_trailing_metadata(metadata)
            context.set_code(status_of(answer))
            context.set_details(_fit(answer.message))
            return b""  # `abort` would keep the request in a cycle with its own error
        context.set_trailing_metadata(_metadata(record))
        result: bytes = answer.SerializeToString()
        return result

    async def stream(
        self, messages: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        """Serve message after message; an error answers its message alone."""
        async for data in messages:
            record = self._record(context)
            async with aclosing(self._serve(data, context, record)) as answers:
                async for answer in answers:
                    if isinstance(answer, ServeryError):
                        told = self._answer(error_message=answer.message)
                    else:
                        told = self._answer(infer_response=answer)
                    yield told.SerializeToString()

    def _record(self, context: Any) -> RequestRecord:
        headers = {
            key.encode(): value if isinstance(value, bytes) else value.encode()
            for key, value in context.invocation_metadata() or ()
        }
        method = COMPUTES if self._method.computes else TELLS
        record = RequestRecord(method, self._path, self._path, headers, is_rpc=True)
        record.peer = _network_of(context.peer())
        return record

    async def _serve(
        self, data: bytes, context: Any, record: RequestRecord
    ) -> AsyncGenerator[Any, None]:
        """The answer or answers, or the error that comes instead, or last."""
        state = self._state
        full = self._method.computes and state.full
        call = RpcCall(state, record, context.time_remaining())
        state.accounting.enter(record)
        try:
            if full:
                raise Unavailable(FULL)
            if self._method.computes:
                state.access.identify(record)
                state.accounting.admit(record)
            call.is_long = len(data) > LONG_BYTES
            request = await call.decode(partial(self._parse, data))
            record.status = 200  # unless it fails
            found = self._method.handler(request, call)
            if isinstance(found, AsyncIterator):
                async for answer in found:
                    yield answer
            else:
                yield await found
        except GeneratorExit:
            record.close_early()
            raise
        except asyncio.CancelledError:  # the caller's doing, or gRPC's for its deadline
            if time.monotonic() < call.deadline:
                record.close_early()
            else:
                _note(record, DeadlineExceeded(""))
            raise
        except ServeryError as error:
            _note(record, error)
            try:
                await state.accounting.pause(error, record, call.deadline)
            except asyncio.CancelledError:
                record.close_early()
                raise
            yield error
        except Exception:
            logger.exception("request %s failed", record.request_id, extra=record.extra)
            yield _note(record, ServeryError(INTERNAL))
        finally:
            state.accounting.leave(record)

    def _parse(self, data: bytes) -> Message:
        if len(data) > LONG_BYTES:
            check_work(data, self._input)
        try:
            return self._request.FromString(data)
        except DecodeError as error:
            raise MalformedBody(
                f"expected a message {self._input.full_name}, received {len(data):,} "
                "bytes that are none"
            ) from error


def _network_of(peer: str) -> str:
    """Of a caller, as gRPC names it: `ipv4:127.0.0.1:41234`, `ipv6:%5B::1%5D:41234`."""
    address = unquote(peer).partition(":")[2].rpartition(":")[0]
    return network_of(address.strip("[]"))


def _note(record: RequestRecord, error: ServeryError) -> ServeryError:
    forget_frames(error)
    record.status, record.code = error.status, error.code
    return error


def _fit(message: str) -> str:
    """As much of a message as every client takes."""
    return message.encode()[:MOST_BYTES].decode(errors="ignore")


def _metadata(record: RequestRecord) -> list[tuple[str, str]]:
    return [(key.decode(), value.decode()) for key, value in record.answer_headers()]

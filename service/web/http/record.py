"""One request from its first byte to its last: identity, time, outcome."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from service.access.caller import Caller
from service.engine.batching.callers import Turn
from service.errors import InvalidInput, ServeryError, forget_frames

if TYPE_CHECKING:
    from service.drift.monitor import Outcome
    from service.engine.batching.batcher import Answer
    from service.engine.texts.request import TextSummary
    from service.tracing.requests import RequestTrace

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
INTERNAL = "Internal error; the log knows more by this id."
CLIENT_CLOSED_REQUEST = 499  # nginx's number, for the log: nobody is there to read it

_PROCESS = secrets.token_hex(4)
_numbers = count()


class ClientDisconnectedError(Exception):
    """The caller hung up before the answer."""


class Link(Protocol):
    """A caller's connection, as an answer that is long under way sees it."""

    def narrow(self) -> None:
        """Let little of what the caller does not read wait in the system."""

    def drop_unread(self) -> None:
        """End it now: the caller does not read."""


class RequestRecord:
    """The facts of one request. The endpoint fills in what it learns.

    Args:
        method: The request's.
        path: The request's.
        route: The template that the path belongs to, once it is known.
        headers: The request's, by name in lower case; the last of equal names.
        is_rpc: Whether it came by gRPC.

    Attributes:
        started: `time.monotonic()` when its head had come.
        seconds: From then to the end of the answer.
        caller: Whose API key was shown, where keys are asked for.
        peer: The network from which it comes.
        bulk: Whether it can wait for those that cannot.
        cors: What its answer says to browsers of who may read it.
        labels: What a model answered with.
        stages: Seconds, by what they were spent on.
        counted: Whether it counts as one under way.
        admitted: Whether it has a place among those of who asks.
        held_bytes: Of what was decoded, and is counted while it is under way.
        outcomes: What its answers are counted by, until they are.
        is_sampled: Whether it is written down; None: it was not decided yet.
        abandoned: Whether the caller has hung up.
        invalid_status: What the protocol answers to input that is wrong: ours 422.
        trace: Its spans, if it is traced.
        link: Its connection, where the server is ours and there is one.
    """

    __slots__ = (
        "_awaited", "_ended", "abandoned", "admitted", "batch_rows", "bulk", "caller",
        "code", "cors", "counted", "headers", "held_bytes", "invalid_status", "is_rpc",
        "is_sampled", "labels", "link", "method", "model", "outcomes", "path", "peer",
        "request_id", "route", "rows", "seconds", "stages", "started", "status",
        "trace", "version",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        route: str,
        headers: dict[bytes, bytes],
        *,
        is_rpc: bool = False,
    ):
        self.started = time.monotonic()
        self.method, self.path, self.route = method, path, route
        self.headers, self.is_rpc = headers, is_rpc
        self.request_id = request_id(headers)
        self.seconds = self._ended = 0.0
        self.status = 0
        self.code: str | None = None
        self.caller: Caller | None = None
        self.peer = ""
        self.bulk = self.counted = self.admitted = False
        self.cors: Sequence[tuple[bytes, bytes]] = ()
        self.model = ""
        self.version: int | None = None
        self.rows: int | None = None
        self.batch_rows: int | None = None
        self.labels: Sequence[str] = ()
        self.stages: dict[str, float] = {}
        self.held_bytes = 0
        self.outcomes: Sequence[Outcome] = ()
        self.is_sampled: bool | None = None
        self.abandoned = False
        self.invalid_status = InvalidInput.status
        self.trace: RequestTrace | None = None
        self.link: Link | None = None
        self._awaited: asyncio.Future[Any] | None = None

    @property
    def asker(self) -> str:
        """Who asks, as far as it is known: the name of its key, or its network."""
        return self.peer if self.caller is None else self.caller.name

    @property
    def turn(self) -> Turn:
        """Whose turn its rows take in the engine."""
        bulk = self.bulk or (self.caller is not None and self.caller.bulk)
        return Turn(self.asker, bulk)

    @property
    def name_in_engine(self) -> str:
        """Its id, and behind a blank the span that waits for an answer, if it has one.

        See `QueuedRequest`.
        """
        if self.trace is None:
            return self.request_id
        return f"{self.request_id} {self.trace.traceparent}"

    async def wait_for(self, future: asyncio.Future[Any]) -> Any:
        """The result of `future`, which is cancelled if the caller hangs up.

        Raises:
            ClientDisconnectedError: The caller has hung up.
        """
        self._awaited = future
        if self.abandoned:
            future.cancel()
        try:
            return await future
        except asyncio.CancelledError:
            if self.abandoned:
                raise ClientDisconnectedError from None
            raise
        finally:
            future.cancel()

    def abandon(self) -> None:
        """The caller has hung up."""
        self.abandoned = True
        if self._awaited is not None:
            self._awaited.cancel()

    def decoded(self, seconds: float) -> None:
        """So long, up to now, something was decoded."""
        self.stages["decode"] = self.stages.get("decode", 0.0) + seconds
        if self.trace is not None:
            self.trace.decoded(seconds)

    def answered(self, answer: "Answer") -> None:
        """The engine has answered, for the first time or again."""
        self.version, self.batch_rows = answer.version, answer.batch_rows
        stages = self.stages
        stages["queue"] = stages.get("queue", 0.0) + answer.queue_s
        stages["compute"] = stages.get("compute", 0.0) + answer.compute_s
        if self.trace is not None:
            self.trace.answered()

    def told(self, summary: "TextSummary") -> None:
        """The engine has written texts."""
        self.version, self.batch_rows = summary.version, summary.batch_rows
        self.rows = summary.rows
        self.stages |= {"queue": summary.queue_s, "compute": summary.compute_s}
        if self.trace is not None:
            self.trace.answered()

    def fail(self, error: ServeryError) -> bytes:
        """Note that the answer, which has begun, ends in `error`; as JSON."""
        forget_frames(error)
        self.status, self.code = error.status, error.code
        return error_content(error, self.request_id)

    def close_early(self) -> None:
        """Nobody is there to be answered."""
        self.status, self.code = CLIENT_CLOSED_REQUEST, "client_disconnected"

    def finish(self) -> None:
        """The answer is given."""
        self.seconds = time.monotonic() - self.started
        self._ended = time.time()

    def answer_headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer says beside its content."""
        headers = [(b"x-request-id", self.request_id.encode()), *self.cors]
        if self.trace is not None:
            headers.append((b"traceresponse", self.trace.traceparent.encode()))
        if self.stages:
            timing = ", ".join(
                [f"{name};dur={took * 1000:.2f}" for name, took in self.stages.items()]
            )
            if self.batch_rows is not None:
                timing += f", batch;desc={self.batch_rows}"
            headers.append((b"server-timing", timing.encode()))
        return headers

    @property
    def extra(self) -> dict[str, Any]:
        """What a line of the log says of it, beside its message."""
        return {"facts": {"trace_id": self.trace.trace_id}} if self.trace else {}

    def facts(self) -> dict[str, Any]:
        """What the access log says of it."""
        return {
            "time": self._ended,
            "request_id": self.request_id,
            "trace_id": self.trace.trace_id if self.trace is not None else None,
            "method": self.method or None,
            "path": self.path or None,
            "status": self.status,
            "code": self.code,
            "ms": _milliseconds(self.seconds),
            "key": self.caller.name if self.caller else None,
            "model": self.model or None,
            "version": self.version,
            "rows": self.rows,
            "batch_rows": self.batch_rows,
            **{
                f"{name}_ms": _milliseconds(seconds)
                for name, seconds in self.stages.items()
            },
        }


async def respond(
    work: Awaitable[Response | None],
    record: RequestRecord,
    pause: Callable[[ServeryError, RequestRecord], Awaitable[None]],
) -> Response | None:
    """What `work` answers, or the error that it ends with as an answer.

    Args:
        work: Serves the request.
        record: Of the request.
        pause: See `Accounting.pause`.

    Returns:
        None if nothing is to be sent: `work` has done it, or the caller has hung up.
    """
    try:
        try:
            return await work
        except ServeryError as error:
            forget_frames(error)
            await pause(error, record)
            return error_response(error, record)
    except ClientDisconnectedError as error:
        forget_frames(error)
        record.close_early()
        return None
    except Exception as error:
        logger.exception("request %s failed", record.request_id, extra=record.extra)
        if record.status:
            raise  # the answer has begun: all that is left is to break it off
        forget_frames(error)
        return error_response(ServeryError(INTERNAL), record)


def error_response(error: ServeryError, record: RequestRecord) -> Response:
    """`error` in the one shape that all errors have."""
    record.code = error.code
    content = error_content(error, record.request_id)
    status = error.status
    if status == InvalidInput.status:
        status = record.invalid_status
    return Response(content, status, error.headers, media_type="application/json")


def error_content(error: ServeryError, request_id: str) -> bytes:
    """`error` as JSON, in the one shape that all errors have."""
    content: dict[str, Any] = {
        "error": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    if error.details:
        content["details"] = error.details
    return to_json(content)


def _milliseconds(seconds: float) -> float:
    """To two places: `round(seconds * 1000, 2)`, in a third of its time."""
    return round(seconds * 1e5) / 100


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's `X-Request-ID`, if it is one that is safe to log, or a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and REQUEST_ID.fullmatch(given):
        return str(given, "ascii")
    return f"{_PROCESS}{next(_numbers):08x}"

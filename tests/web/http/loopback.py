"""The real connection class on a real socket, in front of a small application."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.engine.ipc.client import EngineClient
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import add_error_handlers
from service.web.http.body import read_body
from service.web.http.connection import Connection
from service.web.http.connections import Connections
from service.web.http.direct import DirectEndpoints
from service.web.http.limits import HttpLimits
from service.web.http.middleware import RequestMiddleware
from service.web.http.server import Server
from service.web.http.tls import Handshake
from service.web.state import AppState

ECHO, SOON, HOLD, BIG = "/echo", "/soon", "/hold", "/big"


class Lines:
    """An access log that is kept."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, requests: list[dict[str, Any]]) -> None:
        self.lines.extend(requests)


class Loopback:
    """A server in a thread of its own.

    Args:
        settings: What differs from the defaults.

    Attributes:
        release: Lets the requests to `/hold` be answered.
    """

    def __init__(self, **settings: Any):
        self.registry = CollectorRegistry()
        self.log = Lines()
        self.settings = Settings(**settings)
        metrics = Metrics(self.registry)
        engine = EngineClient(Path("nowhere"))
        self.state = AppState(self.settings, engine, metrics, cast(Any, self.log))
        direct = DirectEndpoints(
            {ECHO: _echo, SOON: _soon, HOLD: self._hold, BIG: _big}
        )
        self._app = RequestMiddleware(self._api(), self.state, direct)
        self.connections = Connections(
            self._app, self.state, HttpLimits.of(self.settings)
        )
        protocol = Handshake if self.state.certificates else Connection
        config = uvicorn.Config(
            self._app,
            http=cast(Any, partial(protocol, connections=self.connections)),
            loop="uvloop",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=5,
        )
        self.server = Server(config, self.connections)
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self.server.run, args=([listener],))
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.free()
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    def free(self) -> None:
        """Let what is held be answered, now and later."""
        self._loop.call_soon_threadsafe(self.release.set)

    def sample(self, name: str, **labels: str) -> float:
        """A metric, after all that has happened is counted."""
        self.call(self.state.accounting.flush)
        return self.registry.get_sample_value(name, labels) or 0.0

    def total(self, name: str) -> float:
        """A metric, added up over its labels."""
        self.call(self.state.accounting.flush)
        families = self.registry.collect()
        samples = [each for family in families for each in family.samples]
        return sum(each.value for each in samples if each.name == name)

    def call(self, work: Any) -> None:
        """Do `work` in the server's thread."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(work)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(30)

    def stand_still(self, seconds: float) -> None:
        """Have the loop do nothing for a while; does not wait for it."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def wire(self, trusted: ssl.SSLContext | None = None) -> "Wire":
        """A new connection, with TLS where it is said whom to trust."""
        return Wire(("127.0.0.1", self.port), trusted=trusted)

    async def _hold(self, request: Request) -> Response:
        record = request.scope["record"]
        waiting = asyncio.ensure_future(self.release.wait())
        await record.wait_for(waiting)
        return await _echo(request)

    def _api(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            self._loop = asyncio.get_running_loop()
            self.release = asyncio.Event()
            self._started.set()
            yield
            self.state.close()

        api = FastAPI(lifespan=lifespan, redirect_slashes=False)
        api.state.routes = api.routes
        add_error_handlers(api)

        @api.get("/hello")
        async def hello() -> dict[str, str]:
            return {"hello": "world"}

        @api.get("/stream")
        async def stream() -> StreamingResponse:
            async def pieces() -> AsyncIterator[bytes]:
                for piece in (b"one", b"two", b"three"):
                    yield piece

            return StreamingResponse(pieces())

        @api.post("/broken")
        async def broken() -> None:
            raise RuntimeError("a fault of ours")

        @api.post("/named/{name}")
        async def named(name: str, body: dict[str, Any]) -> dict[str, Any]:
            return {name: body}

        return api


async def _echo(request: Request) -> Response:
    body = await read_body(request, request.scope["servery"].settings.max_body_bytes)
    content = {"bytes": len(body), "text": body[:32].decode("latin-1")}
    return Response(json.dumps(content), media_type="application/json")


async def _soon(request: Request) -> Response:
    later = asyncio.ensure_future(asyncio.sleep(0.003))
    await request.scope["record"].wait_for(later)
    return await _echo(request)


async def _big(request: Request) -> Response:
    return Response(b"x" * 8_000_000)


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    status: int
    headers: Message
    body: Any


class Wire:
    """One connection, on which anything can be said."""

    def __init__(
        self,
        address: tuple[str, int],
        timeout: float = 30,
        trusted: ssl.SSLContext | None = None,
    ):
        self.socket = socket.create_connection(address, timeout=timeout)
        if trusted is not None:
            host = address[0]
            self.socket = trusted.wrap_socket(self.socket, server_hostname=host)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, *pieces: bytes) -> Self:
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def end(self) -> Self:
        """Say no more, and listen."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def hear(self, *, has_body: bool = True) -> Heard:
        """The next answer, to its end and no further."""
        status = int(self._file.readline().split()[1])
        lines = []
        while (line := self._file.readline()) not in (b"\r\n", b""):
            lines.append(line)
        headers = BytesHeaderParser().parsebytes(b"".join(lines))
        if not has_body:
            return Heard(status, headers, b"")
        if headers["transfer-encoding"] == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self._file.read(int(headers["content-length"] or 0))
        kind = headers["content-type"] or ""
        return Heard(status, headers, json.loads(body) if "json" in kind else body)

    def is_closed(self) -> bool:
        """Whether nothing more comes, which is waited for."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    @staticmethod
    def hangs_up(found: socket.socket) -> bool:
        """Whether the other end of a bare socket closes it, which is waited for."""
        try:
            return found.recv(1) == b""
        except ConnectionResetError:
            return True

    def _chunk(self) -> bytes:
        size = int(self._file.readline(), 16)
        data = self._file.read(size)
        assert self._file.readline() == b"\r\n"
        return data


def request(
    body: bytes = b"",
    *headers: str,
    path: str = ECHO,
    method: str = "POST",
    version: str = "1.1",
    host: str | None = "localhost",
    length: bool = True,
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += headers
    if length and method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    """A body in chunks."""
    parts = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join([*parts, b"0\r\n", trailer, b"\r\n"])

"""What every request of one process shares."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from service.access.access import Access
from service.access.certificates import Certificates
from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.tensors import Tensors
from service.engine.canary import VersionChooser
from service.engine.catalog import Catalog
from service.engine.commands import Command, Outcome
from service.engine.texts.request import TextRequest
from service.engine.texts.stream import TextStream
from service.errors import NotFound
from service.logs import AccessLog
from service.metrics import Metrics
from service.processes.cores import available_cores
from service.settings import Settings
from service.tasks.registry import TaskEndpoints
from service.web.http.accounting import Accounting
from service.web.http.cors import AllowedOrigins
from service.web.imaging.pool import DecoderPool

if TYPE_CHECKING:
    from service.tracing.requests import RequestTracer

ADMIN = "/v1/admin"  # below it, operators are let in however full it is
OPERATORS = (
    "/", "/page", "/metrics", "/docs", "/openapi.json", ADMIN, "/v2/repository/models"
)  # fmt: skip
"""What answers on their port alone, where they have one, and all below it."""

T = TypeVar("T")


class EngineHandle(Protocol):
    """The engine: in a process of its own (`EngineClient`), or in this one."""

    @property
    def catalog(self) -> Catalog:
        """What is in memory."""

    async def start(self) -> None:
        """Begin to serve."""

    async def stop(self) -> None:
        """End."""

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> asyncio.Future[Answer]:
        """Queue rows; see `Engine.submit`."""

    def write(
        self,
        name: str,
        version: int | None,
        request: TextRequest,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> TextStream:
        """Have texts written; see `Engine.write`."""

    async def command(self, command: Command, deadline: float) -> Outcome:
        """Do what an operator says; see `Engine.command`."""


class AppState:
    """Settings, engine, metrics, accounting, and help with what would block the loop.

    Attributes:
        access: Who may ask which model, and how much of it.
        certificates: What TLS shows; None: there is no TLS.
        origins: Of pages whose scripts may read answers.
        chooser: Finds the version that a request means.
        tasks: The typed endpoints that models declare.
        decoders: Processes that read images.
        draining: Set on SIGTERM; readiness turns red.
        leaving: Set after the drain delay; nothing new is taken.
        accounting: The requests under way, and what became of the others.
    """

    def __init__(
        self,
        settings: Settings,
        engine: EngineHandle,
        metrics: Metrics,
        access_log: AccessLog | None = None,
        rates: int | None = None,
        certificates: int | None = None,
        tracer: "RequestTracer | None" = None,
    ):
        self.settings = settings
        self.engine = engine
        self.metrics = metrics
        self.accounting = Accounting(settings, metrics, access_log, tracer)
        self.access = Access(settings.api_keys, metrics, rates)
        self.certificates = (
            Certificates(settings, metrics, certificates)
            if settings.has_tls()
            else None
        )
        self.origins = AllowedOrigins(settings.cors_origins)
        self.chooser = VersionChooser()
        self.tasks = TaskEndpoints()
        self.draining = False
        self.leaving = asyncio.Event()
        metrics.in_flight_limit.set(settings.max_in_flight)
        self.decoders = DecoderPool(settings)
        self._threads = ThreadPoolExecutor(available_cores(), thread_name_prefix="work")
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="parse")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread, of which there are as many as cores."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def parse_in_thread(self, work: Callable[[], T]) -> T:
        """Do `work` in the one thread for large bodies, which waits for no decoder."""
        return await asyncio.get_running_loop().run_in_executor(self._parser, work)

    @property
    def full(self) -> bool:
        """Whether as many requests are under way as may be."""
        return self.accounting.in_flight >= self.settings.max_in_flight

    def is_hidden(self, path: str, server: Sequence[Any] | None) -> bool:
        """Whether a path is for operators, who have a port of their own.

        Args:
            path: Without a prefix.
            server: Host and port at which it is asked.
        """
        port = self.settings.admin_port
        if not port or (server is not None and server[1] == port):
            return False
        return any(path == each or path.startswith(f"{each}/") for each in OPERATORS)

    def nothing_at(self, path: str) -> NotFound:
        """What is said of a path that there is not, or not here."""
        hint = "" if self.settings.admin_port else "; /docs lists what is"
        return NotFound(f"There is nothing at {path}{hint}.")

    def is_full_for(self, method: str, path: str, asker: str = "") -> bool:
        """Whether there is no room for such a request; reading always has room.

        Args:
            method: The request's.
            path: Its path, without a prefix.
            asker: Who asks, if their share is to be looked at too.
        """
        if method != "POST" or path.startswith(f"{ADMIN}/"):
            return False
        return self.full or not (asker == "" or self.accounting.places.has_room(asker))

    def close(self) -> None:
        """Write down what is over, and let the threads end."""
        self.accounting.flush()
        self._threads.shutdown(wait=False)
        self._parser.shutdown(wait=False)
        self.decoders.close()

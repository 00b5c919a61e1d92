"""What every request of one process shares."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from service.engine.batcher import Answer
from service.engine.catalog import Catalog
from service.engine.rows import Rows
from service.logs import AccessLog
from service.metrics import Metrics
from service.settings import Settings

T = TypeVar("T")


class EngineDoor(Protocol):
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
        rows: Rows,
        deadline: float,
    ) -> asyncio.Future[Answer]:
        """Queue rows; see `Engine.submit`."""


class Room:
    """Settings, engine, metrics, log, and threads for work that would block the loop.

    Attributes:
        draining: Set on SIGTERM; readiness turns red.
        in_flight: Requests under way in this process.
    """

    def __init__(
        self,
        settings: Settings,
        engine: EngineDoor,
        metrics: Metrics,
        access_log: AccessLog | None = None,
    ):
        self.settings = settings
        self.engine = engine
        self.metrics = metrics
        self.access_log = access_log
        self.draining = False
        self.in_flight = 0
        self._threads = ThreadPoolExecutor(
            len(os.sched_getaffinity(0)), thread_name_prefix="decode"
        )

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread, of which there are as many as cores."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)

    def deadline(self, timeout_ms: int | None) -> float:
        """The `time.monotonic()` by which a request that asks for so long is over."""
        return time.monotonic() + (timeout_ms or self.settings.timeout_ms) / 1000

"""A client process: waits for loads, sends its share of each, hands back results."""

import asyncio
import gc
import resource
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import uvloop

from loadtest.client import Client
from loadtest.load import Share
from loadtest.rates import Floats
from loadtest.results import TIMEOUT, Results

TICK_S = 0.25
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Ready:
    """The bodies are made; nothing is sent before a time to start has come."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What happened since the last one, for the eyes only.

    Attributes:
        answered: Requests that ended in any way.
        failed: Those that were not answered 200.
        under_way: Now.
        latency_s: float64 (answered 200 or timed out,).
    """

    answered: int
    failed: int
    under_way: int
    latency_s: Floats

    def then(self, later: "Tick") -> "Tick":
        """Both as one."""
        return Tick(
            self.answered + later.answered,
            self.failed + later.failed,
            later.under_way,
            np.concatenate([self.latency_s, later.latency_s]),
        )


@dataclass(frozen=True, slots=True)
class Done:
    """All of it.

    Attributes:
        results: Of this process.
        cpu_share: Of one core that it took while it sent, 0 to 1.
    """

    results: Results
    cpu_share: float


Message = Ready | Tick | Done


def work(pipe: Connection) -> None:
    """Serve a parent until it hangs up: a `Share`, a time to start, perhaps `STOP`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and says STOP
    _allow_many_connections()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order = pipe.recv()
            if isinstance(order, Share):  # a late STOP is no order
                uvloop.run(_serve(order, pipe))


async def _serve(share: Share, pipe: Connection) -> None:
    client = Client(share)
    gc.collect()
    gc.freeze()  # what lives as long as the test is not walked again and again
    pipe.send(Ready())
    start = pipe.recv()
    if start == STOP:
        return
    async with _in_touch(client, pipe):
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        cpu_s, began = time.process_time(), time.monotonic()
        await client.run(start)
    share_of_core = (time.process_time() - cpu_s) / (time.monotonic() - began)
    pipe.send(Done(client.recorder.results(), share_of_core))


@asynccontextmanager
async def _in_touch(client: Client, pipe: Connection) -> AsyncIterator[None]:
    """Tell the parent how it goes; break off when it says so, or is gone."""

    async def talk() -> None:
        seen = 0
        while not pipe.poll():
            pipe.send(_tick(news := client.recorder.results(seen), client))
            seen += len(news)
            await asyncio.sleep(TICK_S)
        with suppress(EOFError, ConnectionResetError):
            pipe.recv()
        client.break_off()

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, BrokenPipeError):
            await task


def _tick(news: Results, client: Client) -> Tick:
    failed = len(news) - int(np.count_nonzero(news.had("200")))
    waited = news.latency_s[news.had("200", TIMEOUT)]
    return Tick(len(news), failed, client.connections.under_way(), waited)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

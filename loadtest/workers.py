"""The client processes: as many as it takes, started once, for any number of loads."""

import asyncio
import gc
import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Self

import click
import uvloop

from loadtest.client import Client, Connect, Connections
from loadtest.load import Load, Share
from loadtest.results import Results, merge

HEAD_START_S = 0.2  # from saying when to start to that time
TICK_S = 0.25  # between two ticks of a process
PROGRESS_S = 1.0  # between two calls of `on_progress`
END_S = 10.0  # patience with a process that is told to end
READY, STOP = "ready", "stop"


class WorkerError(click.ClickException):
    """A client process has died."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a process did since its last tick; the last has a `cpu_share`."""

    process: int
    results: Results
    in_flight: int
    cpu_share: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all processes did in `seconds`, warm-up included; `cpu_shares` of a core."""

    results: Results
    cpu_shares: tuple[float, ...]
    interrupted: bool
    seconds: float


OnProgress = Callable[[float, Sequence[Tick]], None]
"""Called about once a second: seconds from the start, and all ticks since."""


class Workers:
    """Client processes, which end with the `with` block."""

    def __init__(self, count: int, connect: Connect = Connections):
        context = multiprocessing.get_context("spawn")
        self._processes, self._pipes = [], []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, connect), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(END_S)
            process.kill()

    def run(self, load: Load, on_progress: OnProgress) -> Outcome:
        """Send a load; a first Ctrl-C ends it early and still gives what there is."""
        for index, pipe in enumerate(self._pipes):
            pipe.send(Share(load, index, len(self._pipes)))
        for pipe in self._pipes:
            _receive(pipe)  # READY
        start = time.monotonic() + HEAD_START_S
        for pipe in self._pipes:
            pipe.send(start)
        interrupted = False

        def stop(*_: object) -> None:
            nonlocal interrupted
            signal.signal(signal.SIGINT, before)
            interrupted = True
            self.stop()

        before = signal.signal(signal.SIGINT, stop)
        try:
            ticks = self._gather(start, on_progress)
        finally:
            signal.signal(signal.SIGINT, before)
        shares = tuple(t.cpu_share for t in ticks if t.cpu_share is not None)
        seconds = time.monotonic() - start
        return Outcome(merge([t.results for t in ticks]), shares, interrupted, seconds)

    def stop(self) -> None:
        """While a load is run, in any thread: end it early, as Ctrl-C does."""
        for pipe in self._pipes:
            with suppress(BrokenPipeError):
                pipe.send(STOP)

    def _gather(self, start: float, on_progress: OnProgress) -> list[Tick]:
        ticks: list[Tick] = []
        waiting, reported, reported_at = set(self._pipes), 0, start
        while waiting:
            for pipe in wait(waiting, timeout=PROGRESS_S):
                ticks.append(_receive(pipe))
                if ticks[-1].cpu_share is not None:
                    waiting.discard(pipe)
            now = time.monotonic()
            if now - reported_at >= PROGRESS_S and reported < len(ticks):
                on_progress(now - start, ticks[reported:])
                reported, reported_at = len(ticks), now
        return ticks


def _receive(pipe: Any) -> Any:
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError) as error:
        raise WorkerError("a client process has died") from error


def work(pipe: Connection, connect: Connect) -> None:
    """Until the parent hangs up: get a `Share`, send `READY`, get the start, tick.

    The start is a time of the monotonic clock; `STOP` may come after it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and says STOP
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order = pipe.recv()
            if isinstance(order, Share):  # a STOP that came too late is no order
                uvloop.run(_send(order, pipe, connect))


async def _send(share: Share, pipe: Connection, connect: Connect) -> None:
    client = Client(share, connect)
    gc.collect()
    gc.freeze()  # what lives as long as the test is not traversed again and again
    pipe.send(READY)
    start = pipe.recv()
    await asyncio.sleep(max(0.0, start - time.monotonic()))
    cpu_s, began = time.process_time(), time.monotonic()
    sending, reported = asyncio.create_task(client.run(start)), 0
    while not sending.done():
        await asyncio.wait([sending], timeout=TICK_S)
        if pipe.poll() and not sending.done():
            pipe.recv()  # STOP, or EOFError: the parent is gone
            client.stop()
        news = client.recorder.results(reported)
        reported += len(news)
        if not sending.done():
            pipe.send(Tick(share.index, news, client.in_flight))
    await sending
    cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - began)
    pipe.send(Tick(share.index, news, 0, cpu_share))

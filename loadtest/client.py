"""One client process at work: sends its share of a load and takes down what comes.

Latency counts from the time at which a request was meant to be sent. An open loop never
waits for the answers before; a closed one has no such time, and counts from sending.
"""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

import httpx
import numpy as np

from loadtest.connections import Connections, prepare
from loadtest.load import Share
from loadtest.results import UNFINISHED, UNSENT, Recorder
from loadtest.workloads import WORKLOADS

DRAWN = 4096  # requests whose order is drawn at once
LAST_WORDS_S = 1.0  # for what is under way when the test is broken off


class Client:
    """Sends one share of a load, once.

    Args:
        share: What to send.

    Attributes:
        recorder: What became of what was sent.
        connections: What it is sent on.
        choices: What is sent next: the number of the workload, and the request.
    """

    def __init__(self, share: Share):
        self._share, self._load = share, share.load
        self.recorder = Recorder(tuple(self._load.mix))
        self.connections = Connections(share.connections(), self._load.timeout_s)
        self._requests = self._prepare()
        # As with the times: all draw the same, and each takes every n-th.
        self.choices = islice(self._choose(), share.index, None, share.processes)
        self._broken_off = asyncio.Event()
        self._start = 0.0

    async def run(self, start: float) -> None:
        """Send from `start`, by the monotonic clock, to the end; wait for answers."""
        self._start = start
        tasks: set[asyncio.Task[None]] = set()
        try:
            send = self._send_closed if self._load.rates is None else self._send_open
            await send(tasks)
            if tasks:
                await self._wait_for(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.connections.close()

    def break_off(self) -> None:
        """Send nothing more, and wait a second at most for what is under way."""
        self._broken_off.set()

    async def _wait_for(self, tasks: set[asyncio.Task[None]]) -> None:
        everything = asyncio.ensure_future(asyncio.wait(set(tasks)))
        end = asyncio.create_task(self._broken_off.wait())
        await asyncio.wait({everything, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        await asyncio.wait({everything}, timeout=LAST_WORDS_S)

    async def _send_open(self, tasks: set[asyncio.Task[None]]) -> None:
        for intended_s in self._share.schedule().tolist():
            await self._sleep_until(intended_s)
            if self._broken_off.is_set():
                return
            workload, request = next(self.choices)
            if self.connections.are_exhausted():
                now_s = self._now()
                self.recorder.add(workload, UNSENT, (intended_s, now_s, now_s))
                continue
            task = asyncio.create_task(self._exchange(workload, request, intended_s))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _send_closed(self, tasks: set[asyncio.Task[None]]) -> None:
        for _ in range(self._share.connections()):
            tasks.add(asyncio.create_task(self._keep_busy()))

    async def _keep_busy(self) -> None:
        await self._sleep_until(0)
        while not self._broken_off.is_set() and self._now() < self._load.duration_s:
            workload, request = next(self.choices)
            await self._exchange(workload, request, self._now())

    async def _exchange(
        self, workload: int, request: httpx.Request, intended_s: float
    ) -> None:
        sent_s = self._now()
        outcome = UNFINISHED
        try:
            outcome = await self.connections.exchange(request)
        finally:
            self.recorder.add(workload, outcome, (intended_s, sent_s, self._now()))

    async def _sleep_until(self, seconds: float) -> None:
        """Sleep; where it is too late for that, let the others run all the same."""
        left_s = seconds - self._now()
        if left_s <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(left_s):
                await self._broken_off.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _prepare(self) -> list[list[httpx.Request]]:
        load, headers = self._load, self._load.headers()
        return [
            [prepare(load.url, WORKLOADS[name].path, body, headers) for body in bodies]
            for name, bodies in zip(load.mix, load.bodies(), strict=True)
        ]

    def _choose(self) -> Iterator[tuple[int, httpx.Request]]:
        """Workloads by their shares, and of each one of its requests, without end."""
        rng = np.random.default_rng([self._load.seed, 1])
        shares = np.array(list(self._load.mix.values()))
        while True:
            drawn = rng.choice(len(shares), DRAWN, p=shares / shares.sum())
            at = rng.random(DRAWN)
            for workload, place in zip(drawn.tolist(), at.tolist(), strict=True):
                requests = self._requests[workload]
                yield workload, requests[int(place * len(requests))]

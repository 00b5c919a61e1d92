"""One client: sends its share of a load and records what comes of it.

Latency counts from the time at which a request was meant to be sent. An open loop never
waits for earlier answers; a closed one has no such time, and counts from sending.
"""

import asyncio
import json
import time
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from itertools import islice

import httpx
import numpy as np

from loadtest.load import Share
from loadtest.results import OK, TIMEOUT, UNFINISHED, UNSENT, Recorder
from loadtest.workloads import Body
from servery.trust import Trust

BATCH = 4096  # requests whose order is drawn at once
ONE = httpx.Limits(max_connections=1, keepalive_expiry=60)
GRACE_S = 1.0  # for what is in flight when the test is interrupted
SHEDDING = (429, 503)  # statuses that owe their caller a Retry-After (RFC 9110, 10.2.3)


class Connections:
    """HTTP connections, kept open and reused: each an httpx transport of its own.

    One `AsyncClient` with many connections searches all of them for every request,
    which at 256 costs more than the request. A transport with a single one does not.
    """

    def __init__(self, timeout_s: float, trust: Trust):
        self._timeout_s = timeout_s
        self._tls = trust.context()
        self._free: list[httpx.AsyncHTTPTransport] = []

    async def exchange(self, request: httpx.Request, intended_s: float) -> str:
        """Send one request, wait for the whole answer, and say what became of it."""
        connection = self._free.pop() if self._free else self._open()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await connection.handle_async_request(request)
                body = await response.aread()
        except TimeoutError:
            return TIMEOUT
        except httpx.TransportError as error:
            return type(error).__name__
        finally:
            self._free.append(connection)
        return tell(response.status_code, response.headers, body)

    async def close(self) -> None:
        """Close all; none is in use any more."""
        for connection in self._free:
            await connection.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=ONE, trust_env=False)


Connect = Callable[[float, Trust], Connections]
"""Makes what a process sends through: gives up after so many seconds, trusts these."""


def tell(status: int, headers: Container[str], body: bytes) -> str:
    """An answer as an outcome: status, and unless that is 200 code, what is missing."""
    if status == httpx.codes.OK:
        return OK
    try:
        code = str(json.loads(body)["code"])[:40]
    except (ValueError, TypeError, KeyError):
        code = ""
    is_owed = status in SHEDDING and "retry-after" not in headers
    return f"{status} {code}".strip() + (", no Retry-After" if is_owed else "")


class Client:
    """Sends one share of a load, once.

    Attributes:
        recorder: What became of what was sent.
        choices: What is sent next: the number of the workload, and the request.
        in_flight: How many requests are under way.
    """

    def __init__(self, share: Share, connect: Connect = Connections):
        self._share, self._load = share, share.load
        self.recorder = Recorder(tuple(self._load.mix))
        self._connections = connect(self._load.timeout_s, self._load.trust)
        self._requests = [
            [self._prepare(name, body) for body in bodies]
            for name, bodies in zip(self._load.mix, self._load.bodies(), strict=True)
        ]
        # As with the times: every process draws all, and takes each n-th.
        self.choices = islice(self._choose(), share.index, None, share.processes)
        self._stopped = False
        self._grace = asyncio.Timeout(None)
        self._start, self.in_flight = 0.0, 0

    async def run(self, start: float) -> None:
        """Send from `start`, which is now or was (monotonic); wait for answers."""
        self._start = start
        try:
            with suppress(TimeoutError):
                async with self._grace, asyncio.TaskGroup() as group:
                    if self._load.rates is not None:
                        await self._send_open(group)
                    else:
                        for _ in range(self._share.connections()):
                            group.create_task(self._keep_busy())
        finally:
            await self._connections.close()

    def stop(self) -> None:
        """While it runs: send nothing more, and wait no longer than `GRACE_S`."""
        self._stopped = True
        self._grace.reschedule(asyncio.get_running_loop().time() + GRACE_S)

    async def _send_open(self, group: asyncio.TaskGroup) -> None:
        for intended_s in self._share.schedule().tolist():
            # If it is late already, the others run all the same.
            await asyncio.sleep(max(0.0, intended_s - self._now()))
            if self._stopped:
                return
            workload, request = next(self.choices)
            if self.in_flight >= self._share.connections():
                now_s = self._now()
                self.recorder.add(workload, UNSENT, (intended_s, now_s, now_s))
                continue
            group.create_task(self._exchange(workload, request, intended_s))

    async def _keep_busy(self) -> None:
        while not self._stopped and self._now() < self._load.duration_s:
            workload, request = next(self.choices)
            await self._exchange(workload, request, self._now())

    async def _exchange(
        self, workload: int, request: httpx.Request, intended_s: float
    ) -> None:
        sent_s, outcome = self._now(), UNFINISHED
        self.in_flight += 1
        try:
            outcome = await self._connections.exchange(request, intended_s)
        finally:
            self.in_flight -= 1
            self.recorder.add(workload, outcome, (intended_s, sent_s, self._now()))

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _prepare(self, name: str, body: Body) -> httpx.Request:
        """A request that can be sent any number of times."""
        url = self._load.url + self._load.path(name)
        headers = {"content-type": body.media_type, **self._load.headers()}
        headers |= dict(body.headers)
        return httpx.Request("POST", url, content=body.content, headers=headers)

    def _choose(self) -> Iterator[tuple[int, httpx.Request]]:
        """Workloads by their shares, and of each one of its requests, without end."""
        rng = np.random.default_rng([self._load.seed, 1])
        shares = np.array(list(self._load.mix.values()))
        while True:
            drawn = rng.choice(len(shares), BATCH, p=shares / shares.sum())
            places = rng.random(BATCH)
            for workload, place in zip(drawn.tolist(), places.tolist(), strict=True):
                requests = self._requests[workload]
                yield workload, requests[int(place * len(requests))]

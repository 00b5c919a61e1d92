"""An open loop on bare sockets: sends by the clock, in a process of its own."""

import asyncio
import gc
import resource
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import uvloop

from benchmarks.operations.sockets import CLOSED, Sent, Socket
from loadtest.load import Load, Share
from loadtest.results import UNSENT, Recorder, Results
from loadtest.workloads import WORKLOADS, Body

REFUSED = "connection refused"
UNCONNECTED = "no connection"
DRAWN = 4096
TICK_S = 0.001  # what falls due meanwhile is sent in one go; counted as latency
SWEEP_S = 0.05  # how often is looked for requests that nobody answers


@dataclass(frozen=True, slots=True)
class Flooded:
    """What became of it.

    Attributes:
        results: Of every request.
        unanswered: The names of requests that were sent and not wholly answered.
        cpu_share: Of one core, that the client took, 0 to 1.
    """

    results: Results
    unanswered: tuple[str, ...]
    cpu_share: float


def flood(load: Load, start: float) -> Flooded:
    """Send a load, in a process that does nothing else.

    Args:
        load: An open loop.
        start: On the monotonic clock.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flooded: Flooded = uvloop.run(_flood(load, start))
    return flooded


async def _flood(load: Load, start: float) -> Flooded:
    sender = Sender(load, start)
    gc.collect()
    gc.freeze()
    await asyncio.sleep(max(0.0, start - time.monotonic()))
    cpu_s = time.process_time()
    await sender.run()
    cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - start)
    results = sender.recorder.results()
    return Flooded(results, tuple(sender.unanswered), cpu_share)


class Sender:
    """Sends one load over as many connections as it takes.

    Args:
        load: An open loop; its `connections` are the most that are opened.
        start: On the monotonic clock.
    """

    def __init__(self, load: Load, start: float):
        self._load, self._start = load, start
        self.recorder = Recorder(tuple(load.mix))
        self.unanswered: list[str] = []
        self._address = urlsplit(load.url)
        self._free: list[Socket] = []
        self._open = 0
        self._waiting: deque[tuple[Socket, Sent]] = deque()  # and some that are over
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._all_sent, self._all_ended = False, asyncio.Event()
        self._requests = self._choose()

    async def run(self) -> None:
        """Send everything and wait for what is under way."""
        sweeper = asyncio.create_task(self._sweep())
        for intended_s in Share(self._load).schedule().tolist():
            ahead_s = intended_s - self._now()
            if ahead_s > 0:
                await asyncio.sleep(max(TICK_S, ahead_s))
            elif -ahead_s > SWEEP_S:
                await asyncio.sleep(0)  # behind time, answers are read all the same
            self._begin(intended_s)
        self._all_sent = True
        if self._under_way:
            await self._all_ended.wait()
        sweeper.cancel()
        for socket in self._free:
            socket.close()

    def ended(self, socket: Socket, sent: Sent, outcome: str) -> None:
        """What became of a request on a connection."""
        self._record(sent, outcome)
        if not outcome[0].isdigit():
            self.unanswered.append(sent.name)
        if socket.is_open and outcome[0].isdigit():
            self._free.append(socket)
        else:
            self._open -= 1

    def _begin(self, intended_s: float) -> None:
        sent = self._next(intended_s)
        self._under_way += 1
        while self._free:
            socket = self._free.pop()
            if socket.is_open:
                self._send(socket, sent)
                return
            self._open -= 1
        if self._open >= self._load.connections:
            self._record(sent, UNSENT)
            return
        self._open += 1
        task = asyncio.create_task(self._connect(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, sent: Sent) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._load.timeout_s):
                _, socket = await loop.create_connection(
                    lambda: Socket(self, self._now),
                    self._address.hostname or "",
                    self._address.port or 80,
                )
        except (OSError, TimeoutError) as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._open -= 1
            self._record(sent, REFUSED if refused else UNCONNECTED)
            return
        if socket.is_open:
            self._send(socket, sent)
        else:
            self.ended(socket, sent, CLOSED)

    def _send(self, socket: Socket, sent: Sent) -> None:
        socket.send(sent)
        self._waiting.append((socket, sent))

    async def _sweep(self) -> None:
        """Give up what has taken too long: one timer, not one for each request."""
        while True:
            await asyncio.sleep(SWEEP_S)
            latest_s = self._now() - self._load.timeout_s
            while self._waiting and self._waiting[0][1].sent_s < latest_s:
                socket, sent = self._waiting.popleft()
                socket.give_up(sent)

    def _record(self, sent: Sent, outcome: str) -> None:
        self._under_way -= 1
        if self._all_sent and not self._under_way:
            self._all_ended.set()
        now_s = self._now()
        times_s = (sent.intended_s, sent.sent_s or now_s, now_s)
        self.recorder.add(sent.workload, outcome, times_s)

    def _next(self, intended_s: float) -> Sent:
        workload, (head, tail) = next(self._requests)
        name = f"flood-{len(self.recorder) + self._under_way}-{intended_s:.6f}"
        return Sent(name, workload, head + name.encode() + tail, intended_s)

    def _choose(self) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
        load, rng = self._load, np.random.default_rng([self._load.seed, 1])
        requests = [
            [self._encode(WORKLOADS[name].path, body) for body in bodies]
            for name, bodies in zip(load.mix, load.bodies(), strict=True)
        ]
        shares = np.array(list(load.mix.values()))
        while True:
            drawn = rng.choice(len(shares), DRAWN, p=shares / shares.sum())
            for workload, place in zip(drawn.tolist(), rng.random(DRAWN), strict=True):
                yield workload, requests[workload][int(place * len(requests[workload]))]

    def _encode(self, path: str, body: Body) -> tuple[bytes, bytes]:
        """What stands before the name of a request, and after it."""
        lines = [f"POST {path} HTTP/1.1", f"host: {self._address.netloc}"]
        lines += [f"content-type: {body.media_type}"]
        lines += [f"content-length: {len(body.content)}"]
        lines += [f"{name}: {value}" for name, value in self._load.headers().items()]
        head = "\r\n".join([*lines, "x-request-id: "])
        return head.encode(), b"\r\n\r\n" + body.content

    def _now(self) -> float:
        return time.monotonic() - self._start

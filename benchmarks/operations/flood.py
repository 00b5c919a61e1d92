"""An open loop on bare sockets: sends by the clock, in a process of its own.

Of the tools that Debian has (wrk, ab, hey, bombardier, siege, h2load), none counts
latency from the time at which a request was meant to be sent, and none names requests,
so that the service's log can tell which of them it read. A client in httpx takes about
a millisecond of a core for a request; this takes some 50 µs, so that five times what a
service can do still comes from the machine it runs on.
"""

import asyncio
import gc
import json
import re
import resource
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

OK = "200"
TIMEOUT = "timeout"
REFUSED = "connection refused"
UNCONNECTED = "no connection"
UNSENT = "not sent: too many under way"
CLOSED = "closed without an answer"
BROKEN = "closed within an answer"
SHEDDING = (
    "429",
    "503",
)  # statuses that owe their caller a Retry-After (RFC 9110, 10.2.3)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
TICK_S = 0.001  # what falls due meanwhile is sent in one go; counted as latency
SWEEP_S = 0.05  # how often is looked for requests that nobody answers


@dataclass(frozen=True, slots=True)
class Order:
    """What to send."""

    url: str  # with a path
    bodies: tuple[bytes, ...]  # sent in turn
    media_type: str = "image/png"  # of all of them
    # seconds, and requests a second in them; one after the other
    rates: tuple[tuple[float, float], ...] = ()
    deadline_s: float = 1.0  # that every request carries
    timeout_s: float = 3.0  # after which a request is given up
    connections: int = 8000  # the most that are opened

    def times(self) -> np.ndarray:
        """When requests are meant to be sent, a Poisson process: float64, seconds."""
        rng, start, parts = np.random.default_rng(0), 0.0, [np.empty(0)]
        for seconds, rate in self.rates:
            count = rng.poisson(rate * seconds)
            parts.append(np.sort(rng.uniform(start, start + seconds, count)))
            start += seconds
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Flooded:
    """What became of every request, in the order in which they ended."""

    meant_s: np.ndarray  # float64, when it was meant to be sent
    latency_s: np.ndarray  # float64, from then on until its end
    outcomes: np.ndarray  # `200`, `503 queue_full`, `timeout` and the like
    # the names of requests that were sent and not wholly answered
    unanswered: tuple[str, ...] = ()
    cpu_share: float = 0.0  # of one core, that the client took, 0 to 1

    def between(self, start_s: float, end_s: float) -> "Flooded":
        """Only those that were meant to be sent from `start_s` to before `end_s`."""
        chosen = (self.meant_s >= start_s) & (self.meant_s < end_s)
        parts = self.meant_s[chosen], self.latency_s[chosen], self.outcomes[chosen]
        return Flooded(*parts, self.unanswered, self.cpu_share)

    def counts(self) -> dict[str, int]:
        """How many ended in each way, the most frequent first."""
        return dict(Counter(self.outcomes.tolist()).most_common())


def flood(order: Order, start: float) -> Flooded:
    """Send an order, in a process that does nothing else.

    Args:
        order: What to send.
        start: On the monotonic clock.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flooded: Flooded = uvloop.run(Sender(order, start).run())
    return flooded


@dataclass(slots=True, eq=False)
class Request:
    """A request under way: when it was meant to be sent, and when it was."""

    name: str
    data: bytes
    meant_s: float
    sent_s: float = 0.0


class Sender:
    """Sends one order over as many connections as it takes."""

    def __init__(self, order: Order, start: float):
        self._order, self._start = order, start
        self._address = urlsplit(order.url)
        self._messages = cycle([self._encode(body) for body in order.bodies])
        self._ended: list[tuple[float, float, str]] = []
        self._unanswered: list[str] = []
        self._free: list[Connection] = []
        self._open = 0
        self._waiting: deque[tuple[Connection, Request]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way, self._all_sent = 0, False
        self._all_ended = asyncio.Event()

    async def run(self) -> Flooded:
        """Send everything and wait for what is under way."""
        times = self._order.times().tolist()
        gc.collect()
        gc.freeze()
        await asyncio.sleep(max(0.0, -self.now()))
        cpu_s, sweeper = time.process_time(), asyncio.create_task(self._sweep())
        for meant_s in times:
            ahead_s = meant_s - self.now()
            if ahead_s > 0:
                await asyncio.sleep(max(TICK_S, ahead_s))
            elif -ahead_s > SWEEP_S:
                await asyncio.sleep(0)  # behind time, answers are read all the same
            self._begin(meant_s)
        self._all_sent = True
        if self._under_way:
            await self._all_ended.wait()
        sweeper.cancel()
        for connection in self._free:
            connection.close()
        cpu_share = (time.process_time() - cpu_s) / self.now()
        meant, latency, outcomes = zip(*self._ended, strict=True)
        columns = np.array(meant), np.array(latency), np.array(outcomes, object)
        return Flooded(*columns, tuple(self._unanswered), cpu_share)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def ended(self, connection: "Connection", request: Request, outcome: str) -> None:
        """What became of a request on a connection."""
        self._record(request, outcome)
        if not outcome[0].isdigit():
            self._unanswered.append(request.name)
        if connection.is_open and outcome[0].isdigit():
            self._free.append(connection)
        else:
            self._open -= 1

    def _begin(self, meant_s: float) -> None:
        head, body = next(self._messages)
        name = f"flood-{meant_s:.9f}"
        request = Request(name, head + name.encode() + body, meant_s)
        self._under_way += 1
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                self._send(connection, request)
                return
            self._open -= 1
        if self._open >= self._order.connections:
            self._record(request, UNSENT)
            return
        self._open += 1
        task = asyncio.create_task(self._connect(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, request: Request) -> None:
        loop, address = asyncio.get_running_loop(), self._address
        try:
            async with asyncio.timeout(self._order.timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), address.hostname or "", address.port or 80
                )
        except (OSError, TimeoutError) as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._open -= 1
            self._record(request, REFUSED if refused else UNCONNECTED)
            return
        if connection.is_open:
            self._send(connection, request)
        else:
            self.ended(connection, request, CLOSED)

    def _send(self, connection: "Connection", request: Request) -> None:
        request.sent_s = self.now()
        connection.send(request)
        self._waiting.append((connection, request))

    async def _sweep(self) -> None:
        """Give up what has taken too long: one timer, not one for each request."""
        while True:
            await asyncio.sleep(SWEEP_S)
            latest_s = self.now() - self._order.timeout_s
            while self._waiting and self._waiting[0][1].sent_s < latest_s:
                connection, request = self._waiting.popleft()
                connection.give_up(request)

    def _record(self, request: Request, outcome: str) -> None:
        latency_s = self.now() - request.meant_s
        self._ended.append((request.meant_s, latency_s, outcome))
        self._under_way -= 1
        if self._all_sent and not self._under_way:
            self._all_ended.set()

    def _encode(self, body: bytes) -> tuple[bytes, bytes]:
        """What stands before the name of a request, and after it."""
        head = (
            f"POST {self._address.path} HTTP/1.1\r\nhost: {self._address.netloc}\r\n"
            f"content-type: {self._order.media_type}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-timeout-ms: {1000 * self._order.deadline_s:.0f}\r\n"
            "x-request-id: "
        )
        return head.encode(), b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One HTTP connection, with one request on it at a time."""

    def __init__(self, sender: Sender):
        self._sender = sender
        self._request: Request | None = None
        self._received = b""
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True

    def send(self, request: Request) -> None:
        """Send a request; nothing else may be under way."""
        self._request, self._received = request, b""
        self._transport.write(request.data)

    def give_up(self, request: Request) -> None:
        """Close, if this request is still under way."""
        if self._request is request:
            self._end(TIMEOUT)
            self.close()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self.is_open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of an answer, whose length Servery always gives."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if found else None
        if length is None or len(body) < int(length[1]):
            return
        self.is_open = b"connection: close" not in head.lower()
        self._end(tell(head, body))
        if not self.is_open:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed, or we did."""
        self.is_open = False
        if self._request is not None:
            self._end(BROKEN if self._received else CLOSED)

    def _end(self, outcome: str) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._sender.ended(self, request, outcome)


def tell(head: bytes, body: bytes) -> str:
    """What was answered: `200`, `503 queue_full`, `503 queue_full, no Retry-After`."""
    status = head.split(b" ", 2)[1].decode()
    if status == OK:
        return OK
    try:
        code = json.loads(body)["code"]
    except (ValueError, TypeError, KeyError):
        code = ""
    is_owed = status in SHEDDING and b"retry-after:" not in head.lower()
    return f"{status} {code}".strip() + (", no Retry-After" if is_owed else "")

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
from collections import Counter
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
SHEDDING = "429", "503"  # who answers so owes a Retry-After (RFC 9110, 10.2.3)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
TICK_S = 0.001  # what falls due meanwhile is sent in one go; counted as latency
LATE_S = 0.05  # when so far behind time, answers are read all the same


@dataclass(frozen=True, slots=True)
class Order:
    """What to send."""

    url: str  # with a path
    bodies: tuple[bytes, ...]  # sent in turn
    # seconds, and requests a second in them; one after the other
    rates: tuple[tuple[float, float], ...] = ()
    media_type: str = "image/png"
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

    seconds: float  # in which they were meant to be sent
    meant_s: np.ndarray  # float64, when it was meant to be sent
    latency_s: np.ndarray  # float64, from then on until its end
    outcomes: np.ndarray  # `200`, `503 queue_full`, `timeout` and the like
    cpu_share: float = 0.0  # of one core, that the client took, 0 to 1

    def between(self, start_s: float, end_s: float) -> "Flooded":
        """Only those that were meant to be sent from `start_s` to before `end_s`."""
        chosen = (self.meant_s >= start_s) & (self.meant_s < end_s)
        return self._only(chosen, end_s - start_s)

    def good(self) -> "Flooded":
        """Only those that were answered 200, in time or not."""
        return self._only(self.outcomes == OK, self.seconds)

    def _only(self, chosen: np.ndarray, seconds: float) -> "Flooded":
        parts = self.meant_s[chosen], self.latency_s[chosen], self.outcomes[chosen]
        return Flooded(seconds, *parts, self.cpu_share)

    def goodput(self, deadline_s: float) -> float:
        """Answers a second that were 200 within the deadline."""
        return int((self.good().latency_s <= deadline_s).sum()) / self.seconds

    def p_ms(self, percent: float) -> float:
        """A percentile of latency in milliseconds; nan if there are none.

        Of answers 200, and of requests given up: a refusal is quick and would flatter.
        """
        waited_s = self.latency_s[np.isin(self.outcomes, (OK, TIMEOUT))]
        if not len(waited_s):
            return float("nan")
        return 1000 * float(np.percentile(waited_s, percent, method="inverted_cdf"))

    def counts(self) -> dict[str, int]:
        """How many ended in each way, the most frequent first."""
        return dict(Counter(self.outcomes.tolist()).most_common())

    def answered(self) -> int:
        """How many were answered, with any status."""
        return sum(n for kind, n in self.counts().items() if kind[0].isdigit())

    def unanswered(self) -> list[str]:
        """The names of those that were sent, or not, and not wholly answered."""
        pairs = zip(self.meant_s.tolist(), self.outcomes.tolist(), strict=True)
        return [name_of(meant) for meant, kind in pairs if not kind[0].isdigit()]


def name_of(meant_s: float) -> str:
    """The name that a request carries, and that the service logs."""
    return f"flood-{meant_s:.9f}"


def flood(order: Order, start: float) -> Flooded:
    """Send an order, in a process that does nothing else, from `start` (monotonic)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flooded: Flooded = uvloop.run(Sender(order, start).run())
    return flooded


class Sender:
    """Sends one order over as many connections as it takes."""

    def __init__(self, order: Order, start: float):
        self.order, self._start = order, start
        self._address = urlsplit(order.url)
        self._messages = cycle([self._encode(body) for body in order.bodies])
        self._ended: list[tuple[float, float, str]] = []
        self._free: list[Connection] = []
        self._open = self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_sent, self._all_ended = False, asyncio.Event()

    async def run(self) -> Flooded:
        """Send everything and wait for what is under way."""
        times = self.order.times().tolist()
        gc.collect()
        gc.freeze()
        await asyncio.sleep(max(0.0, -self.now()))
        cpu_s = time.process_time()
        for meant_s in times:
            ahead_s = meant_s - self.now()
            if ahead_s > 0:
                await asyncio.sleep(max(TICK_S, ahead_s))
            elif -ahead_s > LATE_S:
                await asyncio.sleep(0)
            self._begin(meant_s)
        self._all_sent = True
        if self._under_way:
            await self._all_ended.wait()
        for connection in self._free:
            connection.close()
        cpu_share = (time.process_time() - cpu_s) / self.now()
        meant, latency, outcomes = zip(*self._ended, strict=True)
        columns = np.array(meant), np.array(latency), np.array(outcomes, object)
        return Flooded(sum(s for s, _ in self.order.rates), *columns, cpu_share)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def ended(self, connection: "Connection", meant_s: float, outcome: str) -> None:
        """What became of a request on a connection."""
        self._record(meant_s, outcome)
        if connection.is_open and outcome[0].isdigit():
            self._free.append(connection)
        else:
            self._open -= 1

    def _begin(self, meant_s: float) -> None:
        head, body = next(self._messages)
        data = head + name_of(meant_s).encode() + body
        self._under_way += 1
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                connection.send(data, meant_s)
                return
            self._open -= 1
        if self._open >= self.order.connections:
            self._record(meant_s, UNSENT)
            return
        self._open += 1
        task = asyncio.create_task(self._connect(data, meant_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, data: bytes, meant_s: float) -> None:
        loop, place = asyncio.get_running_loop(), self._address
        try:
            async with asyncio.timeout(self.order.timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), place.hostname or "", place.port or 80
                )
        except (OSError, TimeoutError) as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._open -= 1
            self._record(meant_s, REFUSED if refused else UNCONNECTED)
            return
        if connection.is_open:
            connection.send(data, meant_s)
        else:
            self.ended(connection, meant_s, CLOSED)

    def _record(self, meant_s: float, outcome: str) -> None:
        self._ended.append((meant_s, self.now() - meant_s, outcome))
        self._under_way -= 1
        if self._all_sent and not self._under_way:
            self._all_ended.set()

    def _encode(self, body: bytes) -> tuple[bytes, bytes]:
        """What stands before the name of a request, and after it."""
        head = (
            f"POST {self._address.path} HTTP/1.1\r\nhost: {self._address.netloc}\r\n"
            f"content-type: {self.order.media_type}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-timeout-ms: {1000 * self.order.deadline_s:.0f}\r\n"
            "x-request-id: "
        )
        return head.encode(), b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One HTTP connection, with one request on it at a time."""

    def __init__(self, sender: Sender):
        self._sender, self._received = sender, b""
        self._meant_s: float | None = None  # of the request that is under way
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True

    def send(self, data: bytes, meant_s: float) -> None:
        """Send a request; nothing else may be under way."""
        self._meant_s, self._received = meant_s, b""
        loop, timeout_s = asyncio.get_running_loop(), self._sender.order.timeout_s
        self._timer = loop.call_later(timeout_s, self.close, TIMEOUT)
        self._transport.write(data)

    def close(self, outcome: str = CLOSED) -> None:
        """Close at once, whatever is under way."""
        self._end(outcome)
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
        self._end(BROKEN if self._received else CLOSED)

    def _end(self, outcome: str) -> None:
        meant_s, self._meant_s = self._meant_s, None
        if meant_s is not None:
            self._timer.cancel()
            self._sender.ended(self, meant_s, outcome)


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

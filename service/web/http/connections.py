"""What the connections of one process share: their number, memory and clock."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Protocol

from service.access.shares import Shares
from service.errors import TooManyConnections
from service.processes.sockets import unread_bytes
from service.web.http.forwarded import TrustedProxies
from service.web.http.head import is_whole
from service.web.http.limits import HttpLimits
from service.web.http.middleware import RequestMiddleware
from service.web.http.record import RequestRecord
from service.web.http.response import Header, write_error
from service.web.state import AppState

logger = logging.getLogger(__name__)

WARN_EVERY_S = 10.0
TICK_S = 0.25  # how late a connection's time may be found to be up
LATE_S = 1.0  # this process itself stood still: nobody's time is up for that
LOOKED_AT = 64  # of the oldest connections, for one that is idle
LOOK_AGAIN_S = 0.1  # after none of them was
NO_ROOM = "Too many connections; try again soon."
MOST_UNREAD = 65_536  # bytes of a request that is turned away
WHY_DROPPED = (
    "crowded", "failed", "handshake", "idle", "slow_body", "slow_handshake",
    "slow_head", "too_many", "unread",
)  # fmt: skip


class Connected(Protocol):
    """A connection, or one that is still shaking hands."""

    @property
    def is_idle(self) -> bool:
        """Whether it may be closed to make room."""

    def drop(self, reason: str) -> None:
        """Close it, without a word."""

    def check_time(self, now: float) -> None:
        """See whether the time for something is up."""


class Connections:
    """All connections of one process.

    Args:
        app: Answers every request.
        room: What requests share.
        limits: What connections may cost.

    Attributes:
        bodies: Bytes of requests, held until their answer, where one read was not
            enough; by whom they come from.
        unsent_bytes: Of answers, held for callers who do not read.
    """

    def __init__(self, app: RequestMiddleware, state: AppState, limits: HttpLimits):
        self.app, self.state, self.limits = app, state, limits
        self.accounting, self.root_path = state.accounting, state.settings.root_path
        self.proxies = TrustedProxies(state.settings.forwarded_allow_ips)
        self.origins = state.origins
        share = state.settings.max_caller_share
        self.bodies = Shares(limits.buffered_body_bytes, share)
        self.unsent_bytes = 0
        self._all: dict[Connected, None] = {}
        self._refused: dict[Connected, None] = {}  # those take nobody's room
        self._by_address: dict[str, dict[Connected, None]] = {}
        self._metrics = state.metrics
        for reason in WHY_DROPPED:
            self._metrics.connections_dropped.labels(reason)  # from the start, at 0
        self._warn_again_at = self._look_again_at = 0.0
        self._busy_crowd: dict[Connected, None] | None = None
        self._is_ticking, self._ticks_at = False, 0.0

    def __len__(self) -> int:
        return len(self._all) + len(self._refused)

    def add(self, connection: Connected, address: str) -> bool:
        """Take one in, if need be in place of an idle one, the oldest first.

        A trusted proxy's are those of many, so only the limit of all holds for them.

        Returns:
            Whether there is room for it; it is to be removed in either case.
        """
        if not self._is_ticking:
            self._is_ticking = True
            self._plan(asyncio.get_running_loop())
        crowd = self._crowd(address)
        idle = self._find_idle(crowd) if crowd is not None else None
        if idle is not None:
            idle.drop("crowded")
        self._metrics.connections.inc()
        if crowd is not None and idle is None:
            self._warn(address)
            self._refused[connection] = None
            return False
        self._busy_crowd = None
        self._all[connection] = None
        self._by_address.setdefault(address, {})[connection] = None
        return True

    def turn_away(
        self, accepted: socket.socket, address: str, headers: Iterable[Header]
    ) -> bool:
        """Refuse a caller who has asked already and for whom there is no room.

        In a flood of connections this costs half of what it does to make one of each
        and have it refuse. Where a request has not come to its end, or TLS is to say
        it, that is still the way: to close while more comes may take the answer with
        it.

        Args:
            accepted: The connection, which is closed.
            address: Where it comes from.
            headers: What the server says in each answer.

        Returns:
            Whether that was done.
        """
        crowd = self._crowd(address)
        if crowd is None or self.state.certificates or self._find_idle(crowd):
            return False
        come = unread_bytes(accepted)
        if not 0 < come <= MOST_UNREAD:
            return False
        with suppress(OSError):  # gone already
            if not is_whole(accepted.recv(come, socket.MSG_DONTWAIT | socket.MSG_PEEK)):
                return False
            accepted.recv(come, socket.MSG_DONTWAIT)
        record = RequestRecord("", "", "malformed", {})
        error = TooManyConnections(NO_ROOM)
        record.status, record.code = error.status, error.code
        with suppress(OSError):
            answer = write_error(error, headers, record, close=True)
            accepted.send(answer, socket.MSG_DONTWAIT)
        accepted.close()
        self.accounting.refuse(record)
        self.count_dropped("too_many")
        self._warn(address)
        return True

    def remove(self, connection: Connected, address: str) -> None:
        """It is closed."""
        self._metrics.connections.dec()
        if connection in self._refused:
            del self._refused[connection]
            return
        del self._all[connection]
        same = self._by_address[address]
        del same[connection]
        if not same:
            del self._by_address[address]

    def count_dropped(self, reason: str) -> None:
        """One was closed for a reason of ours."""
        self._metrics.connections_dropped.labels(reason).inc()

    def _crowd(self, address: str) -> dict[Connected, None] | None:
        """Those of whom one has to go before one from there may come, if one has to."""
        same = self._by_address.get(address, {})
        is_crowded = len(same) >= self.limits.connections_per_address
        if is_crowded and address not in self.proxies:
            return same
        return self._all if len(self._all) >= self.limits.connections else None

    def _find_idle(self, crowd: dict[Connected, None]) -> Connected | None:
        """One that can go; where there was none a moment ago, nobody is looked at."""
        now = time.monotonic()
        if crowd is self._busy_crowd and now < self._look_again_at:
            return None
        for connection in islice(crowd, LOOKED_AT):
            if connection.is_idle:
                return connection
        self._busy_crowd, self._look_again_at = crowd, now + LOOK_AGAIN_S
        return None

    def _warn(self, address: str) -> None:
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + WARN_EVERY_S
            logger.warning(
                "no room for a connection from %s: %d are open, of at most %d",
                *(address, len(self._all), self.limits.connections),
            )

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticks_at = loop.time() + TICK_S
        loop.call_at(self._ticks_at, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if now - self._ticks_at < LATE_S:
            for connection in [*self._all, *self._refused]:
                connection.check_time(now)
        self._is_ticking = len(self) > 0  # without connections the clock stands
        if self._is_ticking:
            self._plan(loop)

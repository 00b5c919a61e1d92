"""uvicorn's server, with our own way of taking connections.

Since libuv 1.45 its own listeners take one connection in a turn of the loop. A loop
that many requests keep busy has ten turns a second: whoever connects would wait for
seconds, with their request long sent, before anybody knew of them.
"""

import asyncio
import errno
import logging
import select
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from service.web.http.connections import Connections

logger = logging.getLogger(__name__)

FEW, MANY = 4, 64  # connections taken in one turn
TURN_S = 0.001  # of a turn, for each that is taken in the next
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
PAUSE_S = 1.0  # after the system had none to give


class Server(uvicorn.Server):
    """Serves on sockets that listen already, each by a `Listener`.

    Args:
        config: With a protocol for each connection.
        connections: All of them.
    """

    def __init__(self, config: uvicorn.Config, connections: Connections):
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections."""
        await super().startup(sockets=[])
        protocol = partial(
            cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        listeners = [
            Listener(each, protocol, self._turn_away) for each in sockets or ()
        ]
        self.servers = cast(list[Any], listeners)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; who is just being taken is there by then, to be told so."""
        for each in self.servers:
            each.close()
            await each.wait_closed()
        await super().shutdown(sockets)

    def _turn_away(self, accepted: socket.socket, address: str) -> bool:
        headers = self.server_state.default_headers
        return self._connections.turn_away(accepted, address, headers)


class Listener:
    """Takes what connects to a socket, until it is closed.

    A few in a turn, for other processes may listen to the same socket, and each shall
    have its share; more where a turn takes long.

    Args:
        listening: The socket. Who gave it closes it.
        protocol: Makes what speaks with one that has connected.
        turn_away: Asked first, with the address of its other end, whether it is closed
            already.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        turn_away: Callable[[socket.socket, str], bool],
    ):
        listening.setblocking(False)
        self._listening, self._protocol = listening, protocol
        self._turn_away = turn_away
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[Any]]()
        self._resume: asyncio.TimerHandle | None = None
        self._poll = select.poll()
        self._poll.register(listening, select.POLLIN)
        self._left_at: float | None = None  # when some were left for another turn
        self._listen()

    def close(self) -> None:
        """Take nothing more."""
        self._loop.remove_reader(self._listening)
        if self._resume is not None:
            self._resume.cancel()

    async def wait_closed(self) -> None:
        """Wait for those that have been taken, and are about to be there."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _listen(self) -> None:
        self._resume = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        now, number = time.monotonic(), FEW
        if self._left_at is not None:
            number = min(MANY, max(FEW, int((now - self._left_at) / TURN_S)))
        for _ in range(number):
            try:
                accepted, address = self._listening.accept()
            except BlockingIOError:
                self._left_at = None
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:  # gone already
                    continue
                logger.error("cannot take connections: %s", error)
                self._loop.remove_reader(self._listening)
                self._resume = self._loop.call_later(PAUSE_S, self._listen)
                return
            if self._turn_away(accepted, str(address[0])):
                continue
            task = self._loop.create_task(self._open(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._left_at = now if self._poll.poll(0) else None

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:  # gone meanwhile
            accepted.close()

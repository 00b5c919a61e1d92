"""One who asks and one who does, in two processes: a request, then its answer, in turn.

    frame   = length (u64, of the body)  kind (u8)  body
    LOAD    = JSON {folder, contract, precision, graphs}; FACTS or ERROR come back
    WARM    = nothing; FACTS or ERROR come back
    SAVE    = a folder for graphs; FACTS or ERROR come back
    RUN     = name of the signature, tensors; OUTPUTS or ERROR come back
    FACTS   = JSON, see `Facts`
    OUTPUTS = tensors
    ERROR   = JSON {message, trace, fault}; of the caller's it is a fault

Names and tensors are laid out as between HTTP processes and engine: `ipc.frames`. Who
waits holds no interpreter. Large tensors go from the array into the socket and from the
socket into the array; small frames are one system call on each side.
"""

import socket
import struct
from enum import IntEnum

import numpy as np

from service.engine.ipc.frames import Bytes

_HEAD = struct.Struct("=QB")
SMALL_BYTES = 65_536  # of a frame: what is sent, and looked for, in one system call


class Kind(IntEnum):
    """What a frame holds."""

    LOAD = 1
    WARM = 2
    RUN = 3
    FACTS = 4
    OUTPUTS = 5
    ERROR = 6
    SAVE = 7


_KINDS = {kind.value: kind for kind in Kind}


class Channel:
    """One end of it. Used by one thread at a time.

    Args:
        connection: A stream socket that blocks.
    """

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._first = memoryview(bytearray(SMALL_BYTES))

    def send(self, kind: Kind, *pieces: Bytes) -> None:
        """Send one frame.

        Raises:
            OSError: The other end is gone.
        """
        length = sum(map(len, pieces))
        waiting: list[Bytes] = [_HEAD.pack(length, kind)]
        for piece in pieces:
            if len(piece) < SMALL_BYTES:
                waiting.append(piece)
            else:
                self._socket.sendall(b"".join(waiting))
                self._socket.sendall(piece)
                waiting.clear()
        if waiting:
            self._socket.sendall(b"".join(waiting))

    def receive(self) -> tuple[Kind, memoryview]:
        """Wait for one frame, and give its kind and body.

        Raises:
            EOFError, OSError: The other end is gone.
        """
        got = self._read(self._first, _HEAD.size)
        length, kind = _HEAD.unpack_from(self._first)
        have = got - _HEAD.size
        if have == length:
            return _KINDS[kind], memoryview(bytes(self._first[_HEAD.size : got]))
        body = np.empty(length, np.uint8).data
        body[:have] = self._first[_HEAD.size : got]
        self._read(body[have:], length - have)
        return _KINDS[kind], body

    def close(self) -> None:
        """Say goodbye: the other end learns of it."""
        self._socket.close()

    def _read(self, into: memoryview, least: int) -> int:
        """Read at least so many bytes, but no more than there is room for."""
        got = 0
        while got < least:
            read = self._socket.recv_into(into[got:])
            if not read:
                raise EOFError
            got += read
        return got

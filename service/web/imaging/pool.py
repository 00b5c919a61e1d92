"""Decodes images in processes of their own: small ones never wait for large ones.

    request ─ a few images ─▶ small lane ─┬─ rows
                 ▲                        └─ too much work ─▶ large lane ─┬─ rows
                 └───────────── the next few, until all are done ◀────────┘

Each lane has a process, or several, and a queue, in which callers take turns; a request
has one place in them at a time, whatever it brought, and looks at its deadline between
its places.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from pydantic_core import from_json

from service.access.shares import Shares
from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidImage,
    InvalidInput,
    QueueFull,
    ServeryError,
    Unavailable,
    by_code,
)
from service.processes.cores import available_cores
from service.settings import Settings
from service.web.imaging.decoder import LENGTH, Job, Task

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SMALL_WORK = 1_000_000  # pixels, passes counted, of the small lane: some 20 ms
MOST_AT_ONCE, MOST_BYTES_AT_ONCE = 16, 256 * 1024  # images and bytes in one job
PIXELS_A_SECOND = 10_000_000  # by which larger pictures queue behind smaller ones
PATIENCE_S = 1.0  # with a picture that nobody waits for, before its process is killed
NICE = 5  # of the large lane

# Freed memory of large pictures goes back at once, and no thread has its own.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class DecoderDiedError(Exception):
    """The process ended before it replied."""


class Decoder:
    """One process, and the connection to it.

    Args:
        memory: Bytes that it may take, see `RLIMIT_DATA`.
        nice: How much it stands back for other processes, 0 to 19.
    """

    def __init__(self, memory: int, nice: int):
        self._memory, self._nice = memory, nice
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, once it is started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, if there is none."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            options = (theirs.fileno(), self._memory, self._nice)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "service.web.imaging.decoder"]
                    + [str(each) for each in options],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | ENVIRONMENT,
                )
            except OSError as error:
                ours.close()
                raise Unavailable("No process to decode images can start.") from error
        ours.setblocking(False)
        self._socket = ours

    async def ask(self, job: Job | Task) -> tuple[dict[str, Any], bytes]:
        """The reply to `job`; see `decoder.answer`.

        Raises:
            DecoderDiedError: There will be none.
        """
        self.start()
        assert self._socket is not None  # started  # noqa: S101
        body = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._socket, LENGTH.pack(len(body)))
            await loop.sock_sendall(self._socket, body)
            return from_json(await self._part()), await self._part()
        except OSError as error:
            raise DecoderDiedError from error

    async def _part(self) -> bytes:
        (length,) = LENGTH.unpack(await self._receive(LENGTH.size))
        return await self._receive(length)

    async def _receive(self, size: int) -> bytes:
        assert self._socket is not None  # started  # noqa: S101
        loop, received = asyncio.get_running_loop(), bytearray(size)
        left = memoryview(received)
        while left:
            count = await loop.sock_recv_into(self._socket, left)
            if not count:
                raise DecoderDiedError
            left = left[count:]
        return bytes(received)

    def end(self) -> subprocess.Popen[bytes] | None:
        """Kill the process, if there is one, and give it to be waited for."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            process.kill()
        return process


Waiting = tuple[float, int, asyncio.Future[Decoder]]
"""When a request's turn is among its caller's, its number, and what it waits for."""


@dataclass
class Lane:
    """Decoders of one priority, and who waits for one: callers in order of turns."""

    idle: list[Decoder]
    waiting: dict[str, list[Waiting]] = field(default_factory=dict)

    def count(self) -> int:
        """Who still waits; those who have gone are forgotten."""
        for caller, requests in list(self.waiting.items()):
            requests[:] = [each for each in requests if not each[2].done()]
            heapq.heapify(requests)
            if not requests:
                del self.waiting[caller]
        return sum(map(len, self.waiting.values()))

    def add(self, caller: str, request: Waiting) -> None:
        """Let a request of a caller wait."""
        heapq.heappush(self.waiting.setdefault(caller, []), request)

    def give(self, decoder: Decoder) -> None:
        """Hand a decoder to whose turn it is, if anybody waits."""
        if not self.count():
            self.idle.append(decoder)
            return
        caller = next(iter(self.waiting))
        requests = self.waiting.pop(caller)
        _, _, future = heapq.heappop(requests)
        future.set_result(decoder)
        if requests:
            self.waiting[caller] = requests  # now the last


class DecoderPool:
    """The decoders of one HTTP process.

    Args:
        settings: See `decoders`, `max_decoder_bytes`, `max_waiting_images`,
            `max_caller_share`, `max_image_pixels` and `max_request_pixels`.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        http = settings.number_of_http_processes()
        count = settings.decoders or max(2, available_cores() // http)
        memory = settings.max_decoder_bytes
        self._decoders = [
            Decoder(memory, NICE if n else 0) for n in range(max(2, count))
        ]
        self._small, self._large = Lane(self._decoders[:1]), Lane(self._decoders[1:])
        self._places = Shares(settings.max_waiting_images, settings.max_caller_share)
        self._numbers = itertools.count()
        self._late: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Of the processes that have been started."""
        return [each.pid for each in self._decoders if each.pid is not None]

    @property
    def waiting(self) -> int:
        """How many requests wait for a decoder."""
        return self._small.count() + self._large.count()

    def start(self) -> None:
        """Start all processes, so that no request has to wait for one."""
        for decoder in self._decoders:
            decoder.start()

    def close(self) -> None:
        """End all processes."""
        self._closed = True
        ended = [each.end() for each in self._decoders]
        for process in ended:
            if process is not None:
                process.wait()

    async def read(
        self,
        images: Sequence[bytes],
        read: Callable[..., np.ndarray],
        deadline: float,
        fields: Sequence[str] = (),
        caller: str = "",
    ) -> np.ndarray:
        """Decode images.

        Args:
            images: The files; at least one.
            read: A function of a module, from a file and `max_pixels` to an array, of
                the same shape for all.
            deadline: `time.monotonic()` after which nobody wants the rows.
            fields: What the images are called; a number each if nothing.
            caller: Whose turn they take.

        Returns:
            The rows of all, (images, ...), in their order.

        Raises:
            InvalidInput: What `read` raised, naming the image if there are several.
            DeadlineExceeded: The deadline is over.
            QueueFull: Too many requests wait for a decoder.
        """
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._read_all(images, read, fields, caller)
        except TimeoutError as error:
            raise DeadlineExceeded(
                "The request's time was up before its images were decoded."
            ) from error

    async def run(
        self, work: Callable[[], Result], deadline: float, caller: str = ""
    ) -> Result:
        """Do other work that would hold the interpreter lock for too long here.

        It waits in the lane of large pictures.

        Args:
            work: A function of a module with its arguments, all of which can be
                pickled, as its result can.
            deadline: `time.monotonic()` after which nobody wants it.
            caller: Whose turn it takes.

        Raises:
            ServeryError: What `work` raised.
            DeadlineExceeded, QueueFull: See `read`.
        """
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                facts, data = await self._in_lane(self._large, Task(work), 0, caller)
        except TimeoutError as error:
            raise DeadlineExceeded(
                "The request's time was up before its body was read."
            ) from error
        if "code" in facts:
            raise _error(facts, 0, 1, ())
        result: Result = pickle.loads(data)  # noqa: S301  # our own process wrote it
        return result

    async def _read_all(
        self,
        images: Sequence[bytes],
        read: Callable[..., np.ndarray],
        fields: Sequence[str],
        caller: str,
    ) -> np.ndarray:
        parts: list[np.ndarray] = []
        done, left = 0, self._settings.max_request_pixels
        while done < len(images):
            job = Job(
                read,
                _few(images, done),
                max_pixels=self._settings.max_image_pixels,
                pixels_left=left,
                most_work=SMALL_WORK,
            )
            facts, rows = await self._decode(job, caller)
            if "code" in facts:
                raise _error(facts, done, len(images), fields)
            shape = (facts["rows"], *facts["shape"])
            parts.append(np.frombuffer(rows, facts["dtype"]).reshape(shape))
            done += facts["rows"]
            left -= facts["pixels"]
        if len(parts) == 1:
            return parts[0]
        return await asyncio.to_thread(np.concatenate, parts)

    async def _decode(self, job: Job, caller: str) -> tuple[dict[str, Any], bytes]:
        """The reply of the small lane, or of the large where that says so."""
        facts, rows = await self._in_lane(self._small, job, 0, caller)
        if "work" in facts:
            alone = replace(job, images=job.images[:1], most_work=sys.maxsize)
            facts, rows = await self._in_lane(self._large, alone, facts["work"], caller)
        return facts, rows

    async def _in_lane(
        self, lane: Lane, job: Job | Task, work: int, caller: str
    ) -> tuple[dict[str, Any], bytes]:
        decoder = await self._wait_for(lane, work, caller)
        asked = asyncio.ensure_future(decoder.ask(job))
        try:
            reply = await asyncio.shield(asked)
        except (DecoderDiedError, asyncio.CancelledError) as error:
            late = asyncio.ensure_future(self._clear(lane, decoder, asked))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            if isinstance(error, DecoderDiedError):
                if isinstance(job, Task):
                    return {"code": BodyTooLarge.code, "message": CRASHED_READER}, b""
                return {"code": InvalidImage.code, "message": CRASHED}, b""
            raise
        except BaseException:
            lane.give(decoder)
            raise
        lane.give(decoder)
        return reply

    async def _wait_for(self, lane: Lane, work: int, caller: str) -> Decoder:
        if lane.idle:
            return lane.idle.pop()
        if not self._places.has_room(caller):
            raise QueueFull(
                "Too many images wait to be decoded: expected at most "
                f"{self._settings.max_waiting_images}, and room for other callers "
                "among them; try again soon."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Decoder] = loop.create_future()
        turn = time.monotonic() + work / PIXELS_A_SECOND
        lane.add(caller, (turn, next(self._numbers), future))
        self._places.hold(caller)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                lane.give(future.result())
            raise
        finally:
            self._places.release(caller)

    async def _clear(
        self, lane: Lane, decoder: Decoder, asked: asyncio.Future[Any]
    ) -> None:
        """Have a decoder back whose caller has gone, or another in its place."""
        try:
            await asyncio.wait_for(asked, PATIENCE_S)
        except (TimeoutError, DecoderDiedError, Unavailable):
            await self._replace(lane, decoder)
        else:
            lane.give(decoder)

    async def _replace(self, lane: Lane, decoder: Decoder) -> None:
        process = decoder.end()
        if process is not None:
            code = await asyncio.to_thread(process.wait)
            logger.warning("a decoder (%d) ended with %d", process.pid, code)
        if not self._closed:
            with contextlib.suppress(Unavailable):  # the next caller tries again
                decoder.start()
            lane.give(decoder)


CRASHED = (
    "The image cannot be decoded: expected one that its decoder survives, received one "
    "that it does not. Send JPEG or PNG."
)

CRASHED_READER = (
    "The request cannot be read: expected one that the process which reads it "
    "survives, received one that it does not. Send raw bytes, or less at a time."
)


def _few(images: Sequence[bytes], first: int) -> list[bytes]:
    """The next image, and those after it that are not too many for one job."""
    few, size = [images[first]], len(images[first])
    for data in images[first + 1 : first + MOST_AT_ONCE]:
        size += len(data)
        if size > MOST_BYTES_AT_ONCE:
            break
        few.append(data)
    return few


def _error(
    facts: dict[str, Any], index: int, count: int, fields: Sequence[str]
) -> ServeryError:
    """The error of a reply, naming the image if there are several."""
    if "log" in facts:
        logger.error("a decoder failed: %s", facts["log"])
        return ServeryError("Internal error; the log knows more by this id.")
    kind, message = by_code(facts["code"]), facts["message"]
    if (count == 1 and not fields) or not issubclass(kind, InvalidInput):
        return kind(message)
    place = fields[index] if fields else f"Image {index}"
    name = fields[index] if fields else f"images.{index}"
    return kind(f"{place}: {message}", details=[{"field": name, "error": message}])

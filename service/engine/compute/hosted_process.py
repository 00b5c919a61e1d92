"""A process beside the engine's, for a runtime that is better off in one of its own.

Two things tie them together. A control socket: the engine sends an end of a new channel
over it, with the model that it is for; the process sends a heartbeat, and ends when the
socket does, which the kernel closes with the engine. And a thread of the engine's,
which starts it, listens to it, kills it when it is silent for too long, and tells how
it ended before anybody who waits for it is told that it did.
"""

import logging
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial

from pydantic import BaseModel, ConfigDict

from service.engine.compute.channel import Channel, Kind
from service.engine.crashes import describe_end
from service.engine.ended import ProcessDied, ProcessEnd
from service.engine.ipc.frames import Bytes
from service.engine.reconciler import Key
from service.processes.keeper import CHECK_S, START_S
from service.processes.last_words import LastWords
from service.settings import Settings

logger = logging.getLogger(__name__)

OPENING = struct.Struct("=Qi")  # model, niceness: goes with an end of a new channel
BEAT = struct.Struct("=Q")  # log lines that were dropped since the last one
END_S = 10.0  # between the last word of a process and its end
_PIECE_BYTES = 65_536
_BUFFER_BYTES = 1 << 20  # of a socket, where the system allows it: fewer wake-ups


class HostedStart(BaseModel):
    """What such a process starts with.

    Attributes:
        control: The descriptor of its end of the control socket.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    settings: Settings
    control: int


class HostedProcess:
    """One process, from its start to its end.

    Args:
        name: What log and metrics call it.
        module: Run with `python -m`.
        settings: Passed on to it.
        on_end: Told how it ended, unless it was told to; in a thread.
        on_drop: Told how many log lines of it were dropped; in a thread.
        keep: Has a thread call what it is given, which takes as long as the process
            lives. It has that thread's niceness, and ends with it.

    Attributes:
        alive: Whether it has not ended, as far as is known.
        began: `time.monotonic()` at its start.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self,
        name: str,
        module: str,
        settings: Settings,
        on_end: Callable[[ProcessEnd], None],
        on_drop: Callable[[int], object],
        keep: Callable[[Callable[[], None]], object],
    ):
        self._name, self._module, self._settings = name, module, settings
        self._on_end, self._on_drop = on_end, on_drop
        self.alive, self.began = True, time.monotonic()
        self._asked_to_end = False
        self._at_work: dict[object, Key] = {}  # by call
        self._loads: set[object] = set()  # which may hold the interpreter for long
        self._ready, self._ended = threading.Event(), threading.Event()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        started: Future[subprocess.Popen[bytes]] = Future()
        keep(partial(self._keep, theirs, started))
        self._process = started.result()

    @property
    def pid(self) -> int:
        """Its number, even if it has ended."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until it can be asked.

        Raises:
            ProcessDied: It ended before.
        """
        self._ready.wait()
        if not self.alive:
            raise self._wait_for_end()

    def connect(self, model: int) -> Channel:
        """A channel to one of its models, which is served with our thread's niceness.

        Raises:
            ProcessDied: It is gone.
        """
        niceness = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            try:
                opening = OPENING.pack(model, niceness)
                socket.send_fds(self._control, [opening], [theirs.fileno()])
            except OSError:
                ours.close()
                raise self._wait_for_end(began=False) from None
        return Channel(ours)

    def ask(
        self, channel: Channel, key: Key, kind: Kind, *pieces: Bytes
    ) -> tuple[Kind, memoryview]:
        """Ask it to do something with a version, and wait for what comes of it.

        Raises:
            ProcessDied: It is gone; `on_end` was told before.
        """
        call, began = object(), False
        self._at_work[call] = key
        if kind is not Kind.RUN:
            self._loads.add(call)
        try:
            channel.send(kind, *pieces)
            began = True
            return channel.receive()
        except (EOFError, OSError) as error:
            if not began:  # it was gone before it had all of it
                del self._at_work[call]
            raise self._wait_for_end(began=began) from error
        finally:
            self._at_work.pop(call, None)
            self._loads.discard(call)

    def end(self) -> None:
        """End it at once; nobody is told."""
        self._asked_to_end = True
        self._process.kill()

    def _wait_for_end(self, *, began: bool = True) -> ProcessDied:
        """The error for who was told goodbye, once all others know."""
        if not self._ended.wait(END_S):
            self._process.kill()
        return ProcessDied(f"the process {self._name} has died", began=began)

    def _keep(
        self, theirs: socket.socket, started: "Future[subprocess.Popen[bytes]]"
    ) -> None:
        """Live as long as the process does."""
        with ExitStack() as stack:
            stack.enter_context(self._control)
            try:
                with theirs:
                    process, errors = self._start(theirs, stack)
            except BaseException as error:  # noqa: BLE001 - who made us raises it
                self.alive = False
                stack.close()  # before who made us knows, and may try again
                started.set_exception(error)
                return
            started.set_result(process)
            words = LastWords(self._name)
            try:
                self._watch(process, errors, words)
            except Exception:
                logger.exception("%s can be watched no more", self._name)
                process.kill()
            code = self._wait(process)
            while data := _read(errors):
                words.feed(data)
            words.end()
        self._tell(process.pid, code, words)

    def _start(
        self, theirs: socket.socket, stack: ExitStack
    ) -> tuple[subprocess.Popen[bytes], int]:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, reading)
        start = HostedStart(
            name=self._name, settings=self._settings, control=theirs.fileno()
        )
        try:
            process = subprocess.Popen(
                (
                    *(sys.executable, "-m", self._module, "--name", self._name),
                    *("--start", start.model_dump_json()),
                ),
                stdin=subprocess.DEVNULL,
                stderr=writing,
                env=_environment(),
                pass_fds=[theirs.fileno()],
            )
        finally:
            os.close(writing)
        return process, reading

    def _watch(
        self, process: subprocess.Popen[bytes], errors: int, words: LastWords
    ) -> None:
        """Listen until it says goodbye; kill it when it says nothing for too long.

        Of the time between two looks no more counts than they are to be apart: who was
        stopped together with us has not been silent.
        """
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(errors, select.POLLIN)
        silent_s, limit_s, looked = 0.0, START_S, time.monotonic()
        while True:
            found = {file for file, _ in poll.poll(CHECK_S * 1000)}
            before, looked = looked, time.monotonic()
            silent_s += min(looked - before, CHECK_S)
            if errors in found:
                words.greets |= bool(self._loads)
                data = _read(errors)
                words.feed(data)
                if not data:  # it was closed, which is nothing to wake up for
                    poll.unregister(errors)
            if self._control.fileno() in found:
                beat = self._receive_beat()
                if beat is None:
                    return
                silent_s, limit_s = 0.0, self._settings.process_silence_s
                words.greets = bool(self._loads)
                self._on_drop(beat) if beat else None
                self._ready.set()
            if silent_s >= (max(limit_s, START_S) if self._loads else limit_s):
                logger.error(
                    "%s (%d) has been silent for %.0f s; killing it",
                    *(self._name, process.pid, silent_s),
                )
                process.kill()
                silent_s = 0.0

    def _receive_beat(self) -> int | None:
        """Log lines that were dropped, or None if it has ended."""
        with suppress(OSError):
            data = self._control.recv(BEAT.size)
            if data:
                dropped: int = BEAT.unpack(data)[0]
                return dropped
        return None

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(END_S)
        except subprocess.TimeoutExpired:  # it has closed its socket, and lives
            process.kill()
            return process.wait()

    def _tell(self, pid: int, code: int, words: LastWords) -> None:
        """Tell of the end: first who is to know why, then all who wait."""
        at_work = frozenset(
            list(self._at_work.values())
        )  # in one go: threads change it
        self.alive = False
        try:
            if not self._asked_to_end:
                logger.error(
                    "%s (%d) ended %s%s",
                    *(self._name, pid, describe_end(code), words.quoted()),
                )
                text = "\n".join(words.lines)
                self._on_end(ProcessEnd(self._name, code, text, at_work))
        except Exception:
            logger.exception("nobody could be told that %s has ended", self._name)
        finally:
            self._ready.set()
            self._ended.set()


def _environment() -> dict[str, str]:
    """Ours, without the collector's token: models' programs learn no secret."""
    return {
        key: value
        for key, value in os.environ.items()
        if not (key.startswith("OTEL_EXPORTER_OTLP_") and key.endswith("_HEADERS"))
    }


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, _PIECE_BYTES)
    except BlockingIOError:  # somebody else has it open, too
        return b""

"""The client processes: as many as it takes, started once, for any number of loads."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Event
from types import FrameType
from typing import Self

from loadtest.load import Load, Share
from loadtest.results import Results, merge
from loadtest.worker import STOP, Done, Message, Ready, Tick, work

HEAD_START_S = 0.2  # from saying when to start to that time
EVERY_S = 1.0  # how often somebody is told how it goes
END_S = 10.0  # patience with a process that is told to end


class CrewError(RuntimeError):
    """A client process has died."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the crew brought back.

    Attributes:
        results: Of all processes, warm-up and all.
        cpu_shares: Of one core, each process's, 0 to 1.
        broken_off: Whether somebody stopped it before its time.
        seconds: From the start to the last answer.
    """

    results: Results
    cpu_shares: tuple[float, ...]
    broken_off: bool
    seconds: float


class Crew:
    """Client processes, which end with the `with` block.

    Args:
        processes: How many.
    """

    def __init__(self, processes: int):
        context = multiprocessing.get_context("spawn")
        self._members: list[tuple[SpawnProcess, Connection]] = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _process, pipe in self._members:
            pipe.close()
        for process, _pipe in self._members:
            process.join(END_S)
            process.kill()

    def run(
        self, load: Load, on_tick: Callable[[float, Sequence[Tick]], None]
    ) -> Outcome:
        """Send a load; Ctrl-C breaks it off and still gives what there is.

        Args:
            load: What to send.
            on_tick: Called about once a second with the seconds since the start and
                what each process has done since.

        Raises:
            CrewError: A process has died.
            KeyboardInterrupt: A second Ctrl-C, or one before the start.
        """
        pipes = [pipe for _, pipe in self._members]
        for index, pipe in enumerate(pipes):
            pipe.send(Share(load, index, len(pipes)))
        for pipe in pipes:
            if not isinstance(self._receive(pipe), Ready):
                raise CrewError("a client process answers out of turn")
        start = time.monotonic() + HEAD_START_S
        for pipe in pipes:
            pipe.send(start)
        watch = _Watch(start, on_tick)
        with _breaking_off(pipes) as broken_off:
            while len(watch.done) < len(pipes):
                self._listen(pipes, watch)
        done = watch.done.values()
        return Outcome(
            merge([each.results for each in done]),
            tuple(each.cpu_share for each in done),
            broken_off.is_set(),
            time.monotonic() - start,
        )

    def _listen(self, pipes: Sequence[Connection], watch: "_Watch") -> None:
        waiting = [pipe for pipe in pipes if pipe not in watch.done]
        for pipe in wait(waiting, timeout=1.0):
            if isinstance(pipe, Connection):
                watch.take(pipe, self._receive(pipe))
        watch.report()

    def _receive(self, pipe: Connection) -> Message:
        try:
            message: Message = pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            raise CrewError("a client process has died") from error
        return message


@contextmanager
def _breaking_off(pipes: Sequence[Connection]) -> Iterator[Event]:
    """On the first Ctrl-C tell all processes to stop; a second one is as usual."""
    happened = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        happened.set()
        for pipe in pipes:
            with suppress(BrokenPipeError):
                pipe.send(STOP)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield happened
    finally:
        signal.signal(signal.SIGINT, before)


class _Watch:
    """Gathers what the processes say, and passes a second's worth on at a time."""

    def __init__(self, start: float, on_tick: Callable[[float, Sequence[Tick]], None]):
        self.done: dict[Connection, Done] = {}
        self._start, self._on_tick = start, on_tick
        self._ticks: dict[Connection, Tick] = {}
        self._said = start

    def take(self, pipe: Connection, message: Message) -> None:
        if isinstance(message, Done):
            self.done[pipe] = message
        elif isinstance(message, Tick):
            before = self._ticks.get(pipe)
            self._ticks[pipe] = before.then(message) if before else message

    def report(self) -> None:
        now = time.monotonic()
        if self._ticks and now - self._said >= EVERY_S:
            self._said = now
            self._on_tick(now - self._start, list(self._ticks.values()))
            self._ticks = {}

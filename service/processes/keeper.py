"""Keeps one process running: started, listened to, replaced."""

import asyncio
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from service.processes.handover import Handover
from service.processes.last_words import LastWords

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.05, 5.0
STABLE_S = 10.0  # a process that lived so long is started again without delay
CHECK_S = 1.0  # how often a heartbeat is looked for
ADMIN_TOKEN = "SERVERY_ADMIN_TOKEN"  # noqa: S105 - the name of it
START_S = 300.0  # until the first one: a cold disk may take minutes for TensorFlow


class Keeper:
    """One process, and its successors.

    Args:
        module: Run with `python -m`.
        handover: What it is told; the pipes of each one are filled in.
        inherited: The descriptors that it keeps, beside those pipes.
        on_end: Called when one has ended.
    """

    def __init__(
        self,
        module: str,
        handover: Handover,
        inherited: list[int],
        on_end: Callable[[], None],
    ):
        self._module, self._handover = module, handover
        self._inherited, self._on_end = inherited, on_end
        self._silence_s = handover.settings.process_silence_s
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until `stop`, with growing pauses while it dies young."""
        name, backoff_s = self._handover.name, FIRST_BACKOFF_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                end = await self._run_once()
                self._on_end()
            except (OSError, RuntimeError) as error:  # no process, thread or descriptor
                end = f"cannot be started: {error}"
            if self._stopping.is_set():
                return
            logger.error("%s %s; trying again", name, end)
            if time.monotonic() - began > STABLE_S:
                backoff_s = FIRST_BACKOFF_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)

    def stop(self) -> None:
        """Let it drain and end, and start no other."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it at once, and start no other."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _run_once(self) -> str:
        """Run it to its end, and say how that was."""
        with ExitStack() as stack:
            beats, errors = _Pipe(stack), _Pipe(stack)
            process = await self._start(beats, errors)
            self._process = process
            if self._stopping.is_set():
                self.stop()
            said = _Stderr(self._handover.name, errors)
            watch = asyncio.create_task(self._watch(process, beats, said.words))
            try:
                code = await process.wait()
            finally:
                self._process = None
                watch.cancel()
                said.close()
        self._handover = self._handover.model_copy(
            update={"predecessor_ended": code, "last_words": said.words.lines}
        )
        return f"({process.pid}) ended with {code}{said.words.quoted()}"

    async def _start(
        self, beats: "_Pipe", errors: "_Pipe"
    ) -> asyncio.subprocess.Process:
        handover = self._handover.model_copy(update={"heartbeat": beats.writing})
        process = await asyncio.create_subprocess_exec(
            *_wrapper(handover),
            *(sys.executable, "-m", self._module, "--name", handover.name),
            *("--handover", handover.model_dump_json()),
            stderr=errors.writing,
            env=_environment(handover.name),
            pass_fds=[*self._inherited, beats.writing],
            process_group=0,  # a Ctrl-C is ours to pass on
        )
        beats.close_writing()
        errors.close_writing()
        return process

    async def _watch(
        self,
        process: asyncio.subprocess.Process,
        beats: "_Pipe",
        words: LastWords,
    ) -> None:
        """Kill it when it has been silent for too long.

        Our own turns are counted, not seconds: who was stopped together with us has not
        been silent.
        """
        silent_s, limit_s = 0.0, START_S
        while silent_s < limit_s:
            await asyncio.sleep(CHECK_S)
            if self._stopping.is_set():  # who drains has a limit of its own
                return
            silent_s += CHECK_S
            if beats.read():
                silent_s, limit_s = 0.0, self._silence_s
                words.greets = False
        logger.error(
            "%s (%d) has been silent for %.0f s; killing it",
            *(self._handover.name, process.pid, silent_s),
        )
        process.kill()


def _environment(name: str) -> dict[str, str]:
    """Of a process: the engine, which runs the models' programs, learns no secret."""
    return {
        key: value
        for key, value in os.environ.items()
        if name != "engine" or key.upper() != ADMIN_TOKEN
    }


def _wrapper(handover: Handover) -> list[str]:
    """The command that runs the process' own, such as a sandbox."""
    is_engine = handover.name == "engine"
    return shlex.split(handover.settings.engine_wrapper) if is_engine else []


class _Pipe:
    """A pipe that never makes anybody wait; what does not fit is lost."""

    def __init__(self, stack: ExitStack):
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, self.reading)
        self._closer = stack.enter_context(ExitStack())
        self._closer.callback(os.close, self.writing)

    def close_writing(self) -> None:
        self._closer.close()

    def read(self) -> bytes:
        try:
            return os.read(self.reading, 65536)
        except BlockingIOError:
            return b""


class _Stderr:
    """Reads what a process writes to stderr.

    Attributes:
        words: What it was.
    """

    def __init__(self, name: str, pipe: _Pipe):
        self._pipe = pipe
        self.words = LastWords(name)
        asyncio.get_running_loop().add_reader(pipe.reading, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe.reading)
        while self._read():
            pass
        self.words.end()

    def _read(self) -> bool:
        data = self._pipe.read()
        self.words.feed(data)
        if not data:  # closed, or nothing there yet: no end of it while the loop asks
            asyncio.get_running_loop().remove_reader(self._pipe.reading)
        return bool(data)

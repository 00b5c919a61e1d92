"""Threads that compute, each a batch at a time."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from service.engine.batching.tensors import Tensors

NICENESS = {"high": 2, "normal": 5, "low": 12}
"""By priority. None is 0, which is for those who talk."""


class _Job(NamedTuple):
    work: Callable[[], Tensors]
    future: asyncio.Future[Tensors]
    loop: asyncio.AbstractEventLoop


class ComputeThreads:
    """As many threads as batches may run at once.

    What `loop.run_in_executor` does, with 0.2 ms less of CPU time for a batch: all that
    Python does between two batches is done with cold caches.

    Args:
        number: Of threads.
        name: Of all of them.
        niceness: Of all of them.
    """

    def __init__(self, number: int, name: str, niceness: int = NICENESS["normal"]):
        self._niceness = niceness
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._number = number
        for _ in range(number):
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def run(self, work: Callable[[], Tensors]) -> asyncio.Future[Tensors]:
        """Call `work` in a thread. To be called in an event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Tensors] = loop.create_future()
        self._jobs.put(_Job(work, future, loop))
        return future

    def close(self) -> None:
        """Let the threads end, once what they have to do is done."""
        for _ in range(self._number):
            self._jobs.put(None)

    def _work(self) -> None:
        lower_priority(self._niceness)
        while (job := self._jobs.get()) is not None:
            _do(job)
            del job  # else it would keep its rows, and the model, until the next


def lower_priority(niceness: int = NICENESS["normal"]) -> None:
    """Let this thread, and those that it starts, give way to those that talk.

    Who computes must not keep those waiting who refuse what is too much.
    """
    thread = threading.get_native_id()
    with suppress(OSError):
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(now, niceness))


def _do(job: _Job) -> None:
    try:
        tell = partial(_succeed, job.future, job.work())
    except Exception as error:  # noqa: BLE001 - whoever waits for it is told
        tell = partial(_fail, job.future, error)
    try:
        job.loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop is closed: nobody waits any more
        pass
    finally:
        del tell  # an error knows this frame: a circle


def _succeed(future: asyncio.Future[Tensors], outputs: Tensors) -> None:
    if not future.cancelled():
        future.set_result(outputs)


def _fail(future: asyncio.Future[Tensors], error: Exception) -> None:
    if not future.cancelled():
        future.set_exception(error)

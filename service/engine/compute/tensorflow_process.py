"""The process in which TensorFlow lives. Started by the engine, not by hand.

One thread for each channel: it loads the model that the channel is for, if it is its
first, and computes what is asked in it. With its last channel a model goes.

Of versions whose graphs were saved TensorFlow's library computes alone. Python's
TensorFlow is imported for the first one that needs it.
"""

import faulthandler
import json
import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

import click

from service.engine.compute.channel import Channel, Kind
from service.engine.compute.hosted_process import BEAT, OPENING, HostedStart
from service.engine.compute.runtime import GraphSource, Model, TensorFlow
from service.engine.compute.tensorflow_host import Facts, Order
from service.engine.compute.tensorflow_library import LibraryError, TensorFlowLibrary
from service.engine.compute.threads import lower_priority
from service.engine.ipc.frames import Bytes, pack_tensors, unpack_tensors, unpack_text
from service.errors import InvalidInput
from service.logs import configure_logging
from service.processes.cores import available_cores, take_short_turns
from service.processes.descriptors import raise_descriptor_limit
from service.processes.handover import BEAT_S
from service.processes.memory import settle
from service.processes.parent import die_with_parent
from service.settings import Settings

logger = logging.getLogger(__name__)

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # it ends with the engine


@click.command()
@click.option("--name", required=True)
@click.option("--start", required=True)
def main(name: str, start: str) -> None:
    """Load models and compute batches until the engine ends."""
    given = HostedStart.model_validate_json(start)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    faulthandler.enable(all_threads=False)  # a fault's traceback is its last words
    take_short_turns()
    raise_descriptor_limit()
    dropped = _Dropped()
    settings = given.settings
    configure_logging(settings, name, dropped.add)
    control = socket.socket(fileno=given.control)
    TensorFlowProcess(control, lambda: Runtimes(settings), dropped.take).serve()


class TensorFlowProcess:
    """Serves models to the engine.

    Args:
        control: See `hosted_process`.
        make_runtime: Called at once, in a thread.
        take_dropped: Log lines that were dropped since it was last called.
    """

    def __init__(
        self,
        control: socket.socket,
        make_runtime: Callable[[], "Runtimes"],
        take_dropped: Callable[[], int],
    ):
        self._control, self._make_runtime = control, make_runtime
        self._take_dropped = take_dropped
        self._runtime: Future[Runtimes] = Future()
        self._models: WeakValueDictionary[int, Model] = WeakValueDictionary()
        self._open: Counter[int] = Counter()  # channels, by model
        self._lock, self._settling = threading.Lock(), threading.Lock()

    def serve(self) -> None:
        """Open a channel whenever one comes, and end this process with the engine."""
        threading.Thread(target=self._begin, name="begin", daemon=True).start()
        while True:
            opening, files, *_ = socket.recv_fds(self._control, OPENING.size, 1)
            if not opening:
                os._exit(0)
            number, niceness = OPENING.unpack(opening)
            channel = Channel(socket.socket(fileno=files[0]))
            with self._lock:
                self._open[number] += 1
            threading.Thread(
                target=self._serve,
                args=(channel, number, niceness),
                name=f"model-{number}",
                daemon=True,
            ).start()

    def _begin(self) -> None:
        """Make the runtime, and be heard from then on, whether or not it could be."""
        try:
            self._runtime.set_result(self._make_runtime())
        except BaseException as error:  # noqa: BLE001 - whoever loads is told
            self._runtime.set_exception(error)
        while True:
            with suppress(BlockingIOError):
                beat = BEAT.pack(self._take_dropped())
                self._control.send(beat, socket.MSG_DONTWAIT)
            time.sleep(BEAT_S)

    def _serve(self, channel: Channel, number: int, niceness: int) -> None:
        """Do what is asked in one channel, until it ends."""
        lower_priority(niceness)
        model = self._models.get(number)
        try:
            while True:
                model = self._answer(channel, number, model)
        except (EOFError, OSError):  # nobody asks any more
            channel.close()
        except BaseException:  # noqa: BLE001 - whoever waits would wait for ever
            traceback.print_exc()
            os._exit(1)
        del model
        with self._lock:
            self._open[number] -= 1
            if self._open[number]:
                return
            del self._open[number]
        with self._settling:
            settle(retired=True)

    def _answer(
        self, channel: Channel, number: int, model: Model | None
    ) -> Model | None:
        """Do one thing that is asked, and give the model that the channel is for."""
        kind, body = channel.receive()
        try:
            if kind is Kind.LOAD:
                model = self._models[number] = self._load(body)
            assert model is not None  # it is loaded first  # noqa: S101
            if kind is Kind.SAVE:
                _save(model, body)
            answer = _run(model, body) if kind is Kind.RUN else _learn(model, kind)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            channel.send(Kind.ERROR, _describe(error))
            return model
        channel.send(*answer)
        if kind is Kind.WARM:
            with self._settling:
                settle()
        return model

    def _load(self, body: memoryview) -> Model:
        order = Order.model_validate_json(bytes(body))
        return self._runtime.result().load(order)


class Runtimes:
    """TensorFlow's library, and Python's TensorFlow once a version needs it.

    Args:
        settings: Which say what they may use.
    """

    def __init__(self, settings: Settings):
        self._settings, self._lock = settings, threading.Lock()
        self._library: TensorFlowLibrary | None = None
        self._python: TensorFlow | None = None
        threads = settings.number_of_tensorflow_threads()
        heavy_threads = settings.tensorflow_threads or available_cores()
        try:
            self._library = TensorFlowLibrary(threads, heavy_threads)
        except (OSError, AttributeError) as error:  # another build than we know
            logger.warning("there is no library of TensorFlow's: %s", error)

    def load(self, order: Order) -> Model:
        """Load a version, from its graphs where these were saved."""
        if order.graphs is not None and self._library is not None:
            try:
                return self._library.load(order.graphs, order.contract, order.folder)
            except (OSError, ValueError, LibraryError) as error:
                logger.warning("%s cannot be opened: %s", order.graphs, error)
        with self._lock:
            if self._python is None:
                self._python = _import_tensorflow(self._settings)
        return self._python.load(order.folder, order.contract, order.precision)


def _import_tensorflow(settings: Settings) -> TensorFlow:
    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    return TensorFlowRuntime(
        settings.device,
        settings.number_of_tensorflow_threads(),
        settings.tensorflow_threads or None,
        "bfloat16" if settings.precision == "bfloat16" else "float32",
    )


class _Dropped:
    """Counts log lines that were dropped."""

    def __init__(self) -> None:
        self._number = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        with self._lock:
            self._number += number

    def take(self) -> int:
        with self._lock:
            number, self._number = self._number, 0
        return number


def _run(model: Model, body: memoryview) -> tuple[Kind, *tuple[Bytes, ...]]:
    signature, offset = unpack_text(body, 0)
    outputs = model.run(signature, unpack_tensors(body, offset))
    return Kind.OUTPUTS, *pack_tensors([outputs])


def _save(model: Model, body: memoryview) -> None:
    if not isinstance(model, GraphSource):
        raise TypeError("expected a model that Python's TensorFlow has loaded")
    model.save(Path(str(body, "utf-8")))


def _learn(model: Model, kind: Kind) -> tuple[Kind, *tuple[Bytes, ...]]:
    """Warm a model if that is asked for, and say what is known of it."""
    seconds = model.warm() if kind is Kind.WARM else 0.0
    facts = Facts(
        unbatched=model.contract.unbatched,
        traces=getattr(model, "traces", 0),
        bfloat16=tuple(getattr(model, "bfloat16", ())),
        seconds=seconds,
    )
    return Kind.FACTS, facts.model_dump_json().encode()


def _describe(error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    message = str(error) or type(error).__name__
    fault = isinstance(error, InvalidInput)
    return json.dumps({"message": message, "trace": trace, "fault": fault}).encode()


if __name__ == "__main__":
    main()

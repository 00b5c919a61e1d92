"""The engine's side of TensorFlow, which lives in a process of its own.

    loading thread ──▶ TensorFlowHost ─ starts ─▶ tensorflow-0: TensorFlowRuntime
    compute threads ─▶ HostedModel ──── channels ─▶ a thread each: TensorFlowModel

The process is started when a version is first to be loaded, and again when it has died.
A model lives there as long as its `HostedModel` does here.
"""

import itertools
import json
import os
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.contract.compilation import Precision
from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.engine.compute.channel import Channel, Kind
from service.engine.compute.hosted_process import HostedProcess
from service.engine.ended import ProcessDied, ProcessEnd
from service.engine.ipc.frames import (
    Bytes,
    pack_tensors,
    pack_text,
    unpack_tensors,
)
from service.errors import InvalidInput
from service.processes.keeper import FIRST_BACKOFF_S, LAST_BACKOFF_S, STABLE_S
from service.settings import Settings

NAME = "tensorflow-0"
MODULE = "service.engine.compute.tensorflow_process"


class Order(BaseModel):
    """A version that is to be loaded.

    Attributes:
        graphs: A folder with its graphs, if they were saved: then TensorFlow's library
            is enough.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    contract: Contract
    precision: Precision | None
    graphs: Path | None


class Facts(BaseModel):
    """What a process says of a version that it has loaded, or warmed.

    Attributes:
        unbatched: See `Contract`; it may have grown.
        traces: How often its functions were traced.
        bfloat16: Signatures that compute in it.
        seconds: That it took to warm it.
    """

    model_config = ConfigDict(frozen=True)

    unbatched: dict[str, str]
    traces: int
    bfloat16: tuple[str, ...]
    seconds: float = 0.0


class HostedModelError(RuntimeError):
    """A model raised in its process; the message is that of its own error."""


class TensorFlowHost:
    """Loads versions in a process that runs TensorFlow: a `Loader`.

    Args:
        settings: Of which the process is told.
        on_end: Told, in a thread, when the process has died, before anybody who waits
            for one of its models is.
        on_drop: Told, in a thread, how many of its log lines were dropped.
        name: What log and metrics call the process.

    To be made in a thread of the niceness that the process is to have.
    """

    def __init__(
        self,
        settings: Settings,
        on_end: Callable[[ProcessEnd], None] = lambda _: None,
        on_drop: Callable[[int], object] = lambda _: None,
        name: str = NAME,
    ):
        self._settings, self._name = settings, name
        self._on_end, self._on_drop = on_end, on_drop
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._process: HostedProcess | None = None
        self._models: weakref.WeakSet[HostedModel] = weakref.WeakSet()
        self._backoff_s = 0.0
        self._closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._keep, name=name, daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    def load(
        self,
        folder: Path,
        contract: Contract,
        precision: Precision | None = None,
        graphs: Path | None = None,
    ) -> "HostedModel":
        """Load a version and open all its signatures; `warm` it before use.

        Args:
            folder: Where it lies.
            contract: What it promises.
            precision: In place of the one that holds for all models.
            graphs: A folder in which its graphs lie, by `HostedModel.save`.

        Raises:
            ProcessDied: The process did, of this or of something else, or it cannot be
                started; a new one is tried by the next call.
            HostedModelError: What the runtime found wrong with the version.
        """
        with self._lock:
            process = self._living()
        process.wait_ready()
        number = next(self._numbers)
        model = HostedModel(process, number, folder, contract, precision, graphs)
        self._models.add(model)
        return model

    def start(self) -> None:
        """Start the process, if there is none, without waiting until it is ready."""
        with self._lock, suppress(ProcessDied):  # `load` says why
            self._living()

    def release(self) -> None:
        """End the process if no model lives in it: it holds up to half a gigabyte."""
        with self._lock:
            if self._process is not None and not self._models:
                self._process.end()
                self._process = None

    def close(self) -> None:
        """End the process, and start no other."""
        self._closed = True
        if self._process is not None:
            self._process.end()
        self._jobs.put(None)

    def _living(self) -> HostedProcess:
        """The process, or a new one, with growing pauses while they die young."""
        process = self._process
        if process is not None and process.alive:
            return process
        if process is not None and time.monotonic() - process.began > STABLE_S:
            self._backoff_s = 0.0
        time.sleep(self._backoff_s)
        self._backoff_s = min(max(FIRST_BACKOFF_S, 2 * self._backoff_s), LAST_BACKOFF_S)
        if self._closed:
            raise ProcessDied(f"the process {self._name} was ended")
        try:
            self._process = HostedProcess(
                *(self._name, MODULE, self._settings),
                *(self._on_end, self._on_drop, self._jobs.put),
            )
        except (OSError, RuntimeError) as error:  # no process, thread or descriptor
            text = f"the process {self._name} cannot be started: {error}"
            raise ProcessDied(text) from error
        return self._process

    def _keep(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class HostedModel:
    """One version in memory, in another process: a `Model`.

    Args:
        process: In which it is to be loaded.
        number: By which that knows it.
        folder: Where it lies.
        contract: What it promises.
        precision: See `TensorFlowHost.load`.
        graphs: See there.

    Attributes:
        contract: What it promises; after `warm`, with what was found to be otherwise.
        traces: How often its functions were traced; never grows after loading.
        bfloat16: Signatures that compute in it.
        divided: None: batches are computed whole.
    """

    in_process = False
    divided = ()

    def __init__(
        self,
        process: HostedProcess,
        number: int,
        folder: Path,
        contract: Contract,
        precision: Precision | None,
        graphs: Path | None,
    ):
        self._process, self._number = process, number
        self._key = contract.name, contract.version
        self.contract = contract
        self._idle: dict[int, list[Channel]] = defaultdict(list)  # by niceness
        channels: list[Channel] = []
        weakref.finalize(self, _close, channels)  # with the last the model goes, too
        self._channels = channels
        order = Order(
            folder=folder.absolute(),
            contract=contract.model_copy(update={"constants": {}}),  # endpoints' own
            precision=precision,
            graphs=graphs,
        )
        self._learn(self._ask(Kind.LOAD, order.model_dump_json().encode()))

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process.alive

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute in the other process; see `Model.run`.

        Raises:
            InvalidInput: Examples that the model cannot parse.
            HostedModelError: What else the model raised.
            ProcessDied: The process did.
        """
        pieces = pack_tensors([tensors])
        return unpack_tensors(self._ask(Kind.RUN, pack_text(signature), *pieces), 0)

    def warm(self) -> float:
        """Run every signature at every batch size, and return the seconds it took.

        Raises:
            HostedModelError: The version's own warm-up requests fail.
            ProcessDied: The process did.
        """
        return self._learn(self._ask(Kind.WARM))

    def save(self, folder: Path) -> None:
        """Have its graphs written, for a later `load` without Python's TensorFlow.

        Raises:
            HostedModelError: It has some that do not stand alone.
            ProcessDied: The process did.
        """
        self._ask(Kind.SAVE, str(folder.absolute()).encode())

    def _learn(self, answer: memoryview) -> float:
        facts = Facts.model_validate_json(bytes(answer))
        if facts.unbatched != self.contract.unbatched:
            self.contract = self.contract.model_copy(
                update={"unbatched": facts.unbatched}
            )
        self.traces, self.bfloat16 = facts.traces, list(facts.bfloat16)
        return facts.seconds

    def _ask(self, kind: Kind, *pieces: Bytes) -> memoryview:
        """Ask in a channel that nobody uses, of those for threads as nice as this."""
        idle = self._idle[os.getpriority(os.PRIO_PROCESS, threading.get_native_id())]
        try:
            channel = idle.pop()
        except IndexError:
            channel = self._process.connect(self._number)
            self._channels.append(channel)
        try:
            answer, body = self._process.ask(channel, self._key, kind, *pieces)
        except BaseException:  # an answer that nobody reads may be in it
            channel.close()
            raise
        idle.append(channel)
        if answer is Kind.ERROR:
            raise _error(json.loads(bytes(body)))
        return body


def _error(content: dict[str, Any]) -> Exception:
    kind = InvalidInput if content["fault"] else HostedModelError
    error = kind(content["message"])
    error.add_note(content["trace"])
    return error


def _close(channels: list[Channel]) -> None:
    for channel in channels:
        channel.close()

"""One version in the place of an engine, computed where it is asked."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import CollectorRegistry

from service.contract.contract import from_manifest
from service.contract.manifest import Manifest
from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.queue import QueuedRequest, Slice
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.batching.throughput import Throughput
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.commands import Command, Outcome
from service.engine.texts.counting import TextCounts
from service.engine.texts.request import TextRequest
from service.engine.texts.stream import TextStream
from service.engine.texts.text import Writing
from service.engine.texts.writer import TextWriter
from service.errors import NotSupported, ServeryError
from service.metrics import Metrics
from service.settings import Settings


class InstantEngine:
    """Stands in for the engine where there is one model and no crowd.

    Args:
        manifest: Of the version.
        compute: A signature and its inputs to its outputs, a row for each row.
    """

    def __init__(self, manifest: Manifest, compute: Callable[[str, Tensors], Tensors]):
        name, self._version = manifest.name, manifest.version
        status = VersionStatus(
            version=self._version,
            state=VersionState.READY,
            manifest=manifest,
            contract=from_manifest(manifest),
        )
        model = ModelStatus(name=name, versions=(status,))
        self.catalog = Catalog(settled=True, models={name: model})
        self._compute = compute
        self._contract = from_manifest(manifest)

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def command(self, command: Command, deadline: float) -> Outcome:
        """See `EngineHandle`; nobody administrates it."""
        raise NotSupported("There is no engine here.")

    def write(
        self,
        name: str,
        version: int | None,
        request: TextRequest,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> TextStream:
        """See `EngineHandle`; each text is a crowd of one."""
        stream, contract = TextStream(), self._contract
        rows = {
            each: _InstantRows(partial(self._compute, each), self._version)
            for each in contract.signatures
        }
        counts = TextCounts(Metrics(CollectorRegistry()), contract.name)
        writer = TextWriter(contract, rows, Settings(), counts)
        writing = Writing(request, deadline, stream, 0, request_id, turn)
        stream.on_cancel = writing.cancel
        writer.write(writing)
        return stream

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> asyncio.Future[Answer]:
        """See `EngineHandle`; what `compute` raises is raised at once."""
        outputs, count = self._compute(signature, rows), count_rows(rows)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(Answer(outputs, 0.0, 0.0, count, self._version))
        return future


class _InstantRows:
    """In the place of a batcher: computes each row by itself, when its turn comes."""

    waiting_rows = 0

    def __init__(self, compute: Callable[[Tensors], Tensors], version: int):
        self.throughput = Throughput(1)
        self._compute, self._version = compute, version

    def queue(self, requests: Iterable[QueuedRequest]) -> None:
        """See `Rows`."""
        for request in requests:
            request.holder = self
            asyncio.get_running_loop().call_soon(self._run, request)

    def forget(self, request: QueuedRequest) -> None:
        """See `Holder`; a request that is settled is not computed."""

    def _run(self, request: QueuedRequest) -> None:
        if request.settled:
            return
        try:
            outputs = self._compute(request.rows)
        except ServeryError as error:
            request.fail(error)
            return
        part = Slice(request, 0, request.count)
        if request.computed(part, outputs, time.monotonic(), 0.0):
            request.recipient.answer([request], self._version, request.count)

"""The use case: (model, version, signature, rows, deadline) → rows.

Keeps in memory what should be there of what lies on disk, and tells who asks what is.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from service.engine.administration import Administration
from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import Tensors
from service.engine.canary import VersionChooser
from service.engine.catalog import Catalog, VersionState
from service.engine.commands import Command, Outcome
from service.engine.crashes import CrashJournal
from service.engine.disk import Scan
from service.engine.ended import ProcessEnd
from service.engine.loading import Loader
from service.engine.overrides import Overrides
from service.engine.policies import PolicySource
from service.engine.reconciler import Action, Do, Key, OnDisk, Retention, decide
from service.engine.registry import Registry
from service.engine.statuses import Statuses
from service.engine.texts.request import TextRequest
from service.engine.texts.stream import TextStream
from service.engine.texts.text import Writing
from service.engine.versions import LoadedVersion
from service.engine.watcher import SaidOnce, Watcher
from service.errors import DeadlineExceeded, ServeryError
from service.metrics import Metrics
from service.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

logger = logging.getLogger(__name__)


class Engine:
    """All models on one device. Use it inside one event loop.

    Args:
        settings: See there.
        metrics: Where batches are counted.
        make_loader: Called once, in a thread, since importing a runtime takes seconds.
        journal: Knows which versions killed earlier engines.
        overrides: Knows what operators have told earlier engines.
        tracer: Makes spans of batches, where requests are traced.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        make_loader: Callable[[], Loader],
        journal: CrashJournal | None = None,
        overrides: Overrides | None = None,
        tracer: "Tracer | None" = None,
    ):
        self._settings = settings
        self._journal = journal or CrashJournal(
            None, settings.max_crashes, settings.crash_window_s
        )
        self._policies = PolicySource(
            settings.artifacts, settings.versions_kept, overrides or Overrides()
        )
        self._statuses = Statuses(metrics, self._policies)
        self._registry = Registry(
            settings,
            metrics,
            self._statuses,
            self._journal,
            make_loader,
            self._policies,
            tracer,
        )
        self._watcher = Watcher(settings.artifacts)
        self._chooser = VersionChooser()
        self._administration = Administration(
            self._policies, self._statuses, self.reconcile
        )
        self._notes = SaidOnce(logging.WARNING)
        self._reconciling = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        metrics.queue_limit.set(settings.max_queue_rows)

    @property
    def catalog(self) -> Catalog:
        """What is in memory at this moment."""
        return self._statuses.catalog

    @property
    def on_change(self) -> list[Callable[[Catalog], None]]:
        """Called with every new catalog."""
        return self._statuses.on_change

    async def start(self) -> None:
        """Load what is on disk, and go on watching the folder."""
        await self.reconcile()
        self._statuses.settle()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Take nothing new, finish what is queued within the limit, fail the rest."""
        if self._watching is not None:
            self._watching.cancel()
        await self._registry.close()

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
        """Queue rows for a model.

        Args:
            name: The model's.
            version: None means the default, or the canary for its share of them.
            signature: One of the manifest's, `serving_default` for most.
            rows: One array for each input, as the signature says.
            deadline: `time.monotonic()` at which the answer is worth nothing.
            request_id: What logs call the request; see `QueuedRequest`.
            turn: For whom it is.

        Returns:
            A future; cancelling it takes the rows back. See `Batcher.submit`.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady: See `Catalog.find`.
            InvalidInput: The rows are not what the signature says.
            TooManyRows: More rows than one request may have.
            QueueFull: Too many rows wait already.
        """
        if not version and name in self.catalog.models:
            chosen = self._chooser.choose(self.catalog.models[name])
            version = chosen.version if chosen else None
        found = self._find(name, version)
        return found.submit(signature, rows, deadline, request_id, turn)

    def queue(
        self,
        name: str,
        version: int | None,
        signature: str,
        requests: Sequence[QueuedRequest],
    ) -> None:
        """Queue many requests for one signature; recipients are told of every outcome.

        See `submit`, whose errors go to `Recipient.fail`.
        """
        model = None if version else self.catalog.models.get(name)
        if model is not None and model.policy.canary is not None:
            for request in requests:
                chosen = self._chooser.choose(model)
                number = chosen.version if chosen else None
                self._queue(name, number, signature, [request])
        else:
            self._queue(name, version, signature, requests)

    def write(
        self,
        name: str,
        version: int | None,
        request: TextRequest,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> TextStream:
        """Have a model write texts.

        Args:
            name: The model's, whose task is to.
            version: None means the default.
            request: What is to be written, checked against what the model declares.
            deadline: `time.monotonic()` at which it is worth nothing.
            request_id: What logs call the request; see `QueuedRequest`.
            turn: For whom it is.

        Returns:
            What is written, as it is; every error arrives through it.
        """
        stream = TextStream()
        writing = Writing(request, deadline, stream, 0, request_id, turn)
        stream.on_cancel = writing.cancel
        self.begin_text(name, version, writing)
        return stream

    def begin_text(self, name: str, version: int | None, writing: Writing) -> None:
        """The same for a writing, whose listener is told of every outcome."""
        try:
            self._find(name, version).write(writing)
        except ServeryError as error:
            writing.is_over = True
            writing.listener.failed(writing.number, error)

    async def command(self, command: Command, deadline: float) -> Outcome:
        """Do what an operator says.

        Args:
            command: What.
            deadline: `time.monotonic()` at which nobody waits for it any more; it is
                done all the same.

        Raises:
            DeadlineExceeded: It takes longer.
            ServeryError: See `Administration.carry_out`.
        """
        work = asyncio.ensure_future(self._administration.carry_out(command))
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.shield(work)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{command.action}: not done within the deadline; it goes on."
            ) from None

    def process_ended(self, end: ProcessEnd) -> None:
        """A process died in which versions lived; they are loaded again at once."""
        self._registry.process_ended(end)
        self._hurry.set()

    async def reconcile(self) -> Scan:
        """Bring memory in line with the disk once: see `reconciler.decide`.

        Returns:
            What lies there.
        """
        async with self._reconciling:
            scan, on_disk = await self._watcher.look(self._statuses.known())
            if scan.versions:  # else the disk may be away, and the file with it
                await asyncio.to_thread(self._policies.look)
            self._statuses.look(scan.problem, scan.notes)
            self._say(scan)
            if scan.readable:
                await self._registry.heed(scan)
                while await self._follow(scan, on_disk):
                    await self._registry.settle()
            self._say(scan)
        return scan

    def _say(self, scan: Scan) -> None:
        """Publish what is odd about policies, and log it once."""
        problem = self._policies.problem({*scan.versions, *self.catalog.models})
        self._statuses.heed(problem)
        ours = [] if self._policies.broken or not problem else [problem]
        labels = [
            f"{name}: {note}"
            for name, model in self.catalog.models.items()
            for note in model.notes
            if note not in scan.notes.get(name, ())
        ]
        self._notes.say([*ours, *labels])

    async def _follow(self, scan: Scan, on_disk: dict[Key, OnDisk]) -> bool:
        """Do what is to be done, and say whether anything came of it.

        If so there may be more to do: what is older can go, or what failed needs a
        substitute.
        """
        loads = {}
        for do, key in self._decide(on_disk):
            if do is Do.FORGET:
                self._statuses.remove(key)
            elif do is Do.RETIRE:
                self._registry.retire(key)
            else:
                loads[key] = scan.versions[key[0]][key[1]]
        for key, folder in loads.items():
            self._statuses.set_loading(key, folder.fingerprint)
        if loads:
            loads = await self._registry.order(loads)
        settled = [await self._registry.load(*load) for load in loads.items()]
        return any(settled)

    def _decide(self, on_disk: dict[Key, OnDisk]) -> list[Action]:
        """What is to be done; a version that is leaving is taken back where it is to.

        It still takes requests, so to decide it is one that serves.
        """
        known, leaving = self._statuses.known(), self._registry.leaving
        for key in leaving:
            known[key] = replace(known[key], state=VersionState.READY)
        actions = decide(on_disk, known, self._retention)
        retired = {key for do, key in actions if do is Do.RETIRE}
        for key in leaving - retired:
            self._registry.take_back(key)
        return [each for each in actions if each.key not in leaving]

    def _retention(self, name: str) -> Retention:
        model = self.catalog.models.get(name)
        return self._policies.retention(name, model.labels if model else {})

    def _queue(
        self,
        name: str,
        version: int | None,
        signature: str,
        requests: Sequence[QueuedRequest],
    ) -> None:
        try:
            self._find(name, version).queue(signature, requests)
        except ServeryError as error:
            for request in requests:
                request.fail(error)

    def _find(self, name: str, version: int | None) -> LoadedVersion:
        """The version that is meant: a named one, or the default at this moment."""
        named = version and self._registry.get((name, version))
        if named:
            return named
        found = self._registry.get((name, self.catalog.find(name, version).version))
        assert found is not None  # ready versions are in memory  # noqa: S101
        return found

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                scan = await self.reconcile()
                async with self._reconciling:
                    await self._registry.recheck(scan)
            except Exception:
                logger.exception("looking at the artifacts failed; trying again")

"""The versions in memory: how they come there and how they go."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from service.contract.policy import ModelPolicy
from service.engine.activity import Marker
from service.engine.catalog import VersionState
from service.engine.compute.threads import NICENESS
from service.engine.crashes import CrashJournal, Death
from service.engine.disk import Scan, VersionFolder
from service.engine.ended import ProcessDied, ProcessEnd
from service.engine.loading import Load, Loader, LoadingThread
from service.engine.policies import PolicySource
from service.engine.reconciler import Key
from service.engine.statuses import Statuses
from service.engine.versions import LoadedVersion
from service.metrics import Metrics
from service.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

logger = logging.getLogger(__name__)

PROCESS_DIED = "its process died; it is about to be loaded again"
LATE_S = 1.0  # beyond the last deadline, for a version that is being retired


class Registry:
    """Loads versions and retires them.

    Args:
        settings: See there.
        metrics: Where batches are counted.
        statuses: Told of every change.
        journal: Told what each version is doing, should this process die of it.
        make_loader: See `LoadingThread`.
        policies: What is wanted of each model.
        tracer: See `LoadedVersion`.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        statuses: Statuses,
        journal: CrashJournal,
        make_loader: Callable[[], Loader],
        policies: PolicySource,
        tracer: "Tracer | None" = None,
    ):
        self._settings, self._metrics = settings, metrics
        self._statuses, self._journal = statuses, journal
        self._policies, self._tracer = policies, tracer
        self._tried: dict[Key, ModelPolicy] = {}  # what each was last loaded with
        self._thread = LoadingThread(metrics, make_loader, settings.drift_reference)
        self._loaded: dict[Key, LoadedVersion] = {}
        self._markers: dict[Key, Marker] = {}
        self._leaving: dict[Key, object] = {}  # those that still take requests
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def get(self, key: Key) -> LoadedVersion | None:
        """The version, if it is in memory; one that is being retired still is."""
        return self._loaded.get(key)

    async def order(
        self, folders: Mapping[Key, VersionFolder]
    ) -> dict[Key, VersionFolder]:
        """What is to be loaded, in the order in which callers are served soonest.

        Suspects come last, so that the others serve should they kill us.
        """
        loads = [
            Load(key, folder.path, self._policies.of(key[0]))
            for key, folder in folders.items()
        ]
        ordered = {
            load.key: folders[load.key] for load in await self._thread.order(loads)
        }

        def weight(item: tuple[Key, VersionFolder]) -> float:
            return self._journal.weight(item[0], item[1].fingerprint)

        return dict(sorted(ordered.items(), key=weight))

    async def load(self, key: Key, folder: VersionFolder) -> bool:
        """Load a version; whatever becomes of it is in its status.

        Returns:
            Whether that is settled; if not, it is to be tried again, but not at once.
        """
        death = self._journal.quarantined(key, folder.fingerprint)
        if death is not None:
            self._quarantine(key, death)
            return True
        try:
            await self._thread.prepare()
            loaded = self._loaded[key] = await self._load(key, folder)
        except ProcessDied as error:  # it was told why, and so was the log
            logger.warning("%s %d is not loaded: %s", *key, error)
            self._forget_marker(key)
            self._fail(key, str(error), is_settled=False)
            return False
        except Exception as error:
            logger.exception("%s %d cannot be loaded", *key)
            self._forget_marker(key)
            self._fail(key, str(error), is_settled=True)
            return True
        self._journal.absolve(key)
        self._statuses.set(key, VersionState.READY, version=loaded.version)
        runtime = loaded.version.runtime
        by = f": {runtime.describe()}" if runtime is not None else ""
        logger.info("%s %d is ready%s", *key, by)
        return True

    def process_ended(self, end: ProcessEnd) -> None:
        """A process died in which versions lived: blame those that were at work.

        To be called before what waits for that process is told, which is when they are
        at work no more. All that lived there are to be loaded anew.
        """
        self._metrics.restarts.labels(end.name.partition("-")[0]).inc()
        at_work = [self._markers[key] for key in end.at_work if key in self._markers]
        self._journal.blame(end, at_work)
        for key, loaded in list(self._loaded.items()):
            if not loaded.alive and self._statuses.is_ready(key):
                self._bury_later(key)
                self._fail(key, PROCESS_DIED, is_settled=False)

    async def heed(self, scan: Scan) -> None:
        """Have policies that have changed reach versions that were loaded before.

        One that serves is loaded a second time and then changes places with the first;
        should that fail, the first stays. One that failed is forgotten, to be tried.
        """
        for key, known in self._statuses.known().items():
            tried, wanted = self._tried.get(key), self._policies.of(key[0]).loading
            folder = scan.versions.get(key[0], {}).get(key[1])
            if tried is None or tried == wanted:
                continue
            if known.state is VersionState.FAILED:
                self._statuses.remove(key)
            elif known.state is VersionState.READY and folder is not None:
                self._tried[key] = wanted
                if folder.fingerprint == known.fingerprint:  # else it is another one
                    await self._reload(key, folder, "as models.toml asks")

    async def recheck(self, scan: Scan) -> None:
        """Load those anew that answer otherwise than when they were loaded."""
        unchanged = {
            key: folder
            for key, known in self._statuses.known().items()
            if known.state is VersionState.READY
            and (folder := scan.versions.get(key[0], {}).get(key[1])) is not None
            and folder.fingerprint == known.fingerprint
        }
        for key in await self._thread.recheck(unchanged):
            if self._statuses.is_ready(key):
                await self._reload(key, unchanged[key], "by TensorFlow")

    async def settle(self) -> None:
        """Give back what loading has left behind."""
        await self._thread.settle()

    def retire(self, key: Key) -> None:
        """Let a version finish its work, and go.

        Whoever names no version is sent to another one at once. Whoever had chosen this
        one before that, and is still decoding, has `retire_delay_s` to come.
        """
        self._statuses.set(key, VersionState.DRAINING)
        self._leaving[key] = leave = object()
        self._in_background(self._retire(key, leave))

    @property
    def leaving(self) -> set[Key]:
        """The versions that are being retired, and can still be taken back."""
        return {key for key in self._leaving if self._loaded[key].alive}

    def take_back(self, key: Key) -> None:
        """Let a version that was leaving serve on."""
        del self._leaving[key]
        self._statuses.set(key, VersionState.READY)
        logger.info("%s %d serves on", *key)

    async def close(self) -> None:
        """Finish what is queued within the drain timeout, and fail the rest."""
        self._stopping.set()
        self._journal.leave()
        limit = self._settings.drain_timeout_s
        closing = [loaded.close(limit) for loaded in self._loaded.values()]
        await asyncio.gather(*closing, *self._closing)
        self._thread.close()

    async def _load(self, key: Key, folder: VersionFolder) -> LoadedVersion:
        marker = self._markers[key] = self._journal.open(key, folder.fingerprint)
        marker.load()
        policy = self._policies.of(key[0])
        self._tried[key] = policy.loading
        version, model = await self._thread.load(key, folder.path, policy)
        if not model.alive:  # it died after all that, with nobody at work
            raise ProcessDied(PROCESS_DIED)
        if model.in_process:
            marker.rest()
        else:
            marker.move_out()
        return LoadedVersion(
            model,
            version,
            _settings(self._settings, policy),
            self._metrics,
            partial(self._died, key, folder.fingerprint),
            marker,
            niceness=NICENESS[policy.priority],
            tracer=self._tracer,
        )

    async def _reload(self, key: Key, folder: VersionFolder, how: str) -> None:
        """Load a version beside itself, and let the new one take over."""
        old, old_marker = self._loaded[key], self._markers[key]
        try:
            new = await self._load(key, folder)
        except Exception:
            logger.exception("%s %d cannot be loaded %s", *key, how)
            if self._markers.get(key) is not old_marker:
                self._forget_marker(key)
            if self._loaded.get(key) is old:
                self._markers[key] = old_marker
            return
        if self._loaded.get(key) is old:
            limit = self._settings.max_timeout_ms / 1000 + LATE_S
            self._in_background(self._bury(old, old_marker, limit))
        self._loaded[key] = new
        self._statuses.set(key, VersionState.READY, version=new.version)
        logger.info("%s %d was loaded anew, %s", *key, how)

    async def _retire(self, key: Key, leave: object) -> None:
        delay_s = self._settings.retire_delay_s
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_s)
        except TimeoutError:  # its own deadline ends every request that waits
            limit = self._settings.max_timeout_ms / 1000 + LATE_S
        else:
            limit = self._settings.drain_timeout_s
        if self._leaving.get(key) is not leave:
            return  # it was taken back
        del self._leaving[key]
        await self._loaded.pop(key).close(limit)
        self._forget_marker(key)
        self._statuses.remove(key)
        if not self._stopping.is_set():
            await self._thread.settle(retired=True)
        logger.info("%s %d is retired", *key)

    def _died(self, key: Key, fingerprint: str) -> None:
        """A batcher has died: load the version anew, unless that happens too often."""
        if not self._statuses.is_ready(key):  # it was going, or another worker told
            return
        death = Death(
            model=key[0],
            version=key[1],
            fingerprint=fingerprint,
            doing="computing",
            at=time.monotonic(),
            weight=1,
            ended="its batcher died",
        )
        self._journal.record(death)
        reason = "its batcher died; it is about to be loaded again"
        self._fail(key, reason, is_settled=False)
        self._bury_later(key)

    def _fail(self, key: Key, reason: str, *, is_settled: bool) -> None:
        """Say that a version has failed, and if not settled, have it tried again."""
        fingerprint = None if is_settled else ""  # as if other files had failed
        state = VersionState.FAILED
        self._statuses.set(key, state, fingerprint=fingerprint, reason=reason)

    def _bury_later(self, key: Key) -> None:
        loaded, marker = self._loaded.pop(key), self._markers.pop(key)
        limit = self._settings.drain_timeout_s
        self._in_background(self._bury(loaded, marker, limit))

    async def _bury(self, loaded: LoadedVersion, marker: Marker, limit: float) -> None:
        await loaded.close(limit)
        self._journal.close(marker)

    def _quarantine(self, key: Key, death: Death) -> None:
        reason = self._journal.describe(death)
        logger.error("%s %d is in quarantine: %s", *key, reason)
        self._statuses.set_quarantined(key, reason)

    def _forget_marker(self, key: Key) -> None:
        marker = self._markers.pop(key, None)
        if marker is not None:
            self._journal.close(marker)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _settings(settings: Settings, policy: ModelPolicy) -> Settings:
    """The settings with what a policy says of one model."""
    said = {
        "max_batch_rows": policy.max_batch_rows,
        "max_queue_rows": policy.max_queue_rows,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return settings.model_copy(update=given)

"""The use case: (model, version, signature, rows, deadline) → rows.

Keeps in memory what the store says should be there, and tells who asks what that is.
"""

import asyncio
import ctypes
import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from service.contract.integrity import verify_files
from service.contract.manifest import FILENAME, Manifest, read_manifest
from service.engine.batching.batcher import Answer
from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import Tensors
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.compute.threads import lower_priority
from service.engine.disk import find_versions, newest
from service.engine.versions import LoadedVersion, Model
from service.errors import ServeryError
from service.logs import stderr_as_log_lines
from service.metrics import Metrics
from service.settings import Settings

logger = logging.getLogger(__name__)

Key = tuple[str, int]  # model, version


class Loader(Protocol):
    """What brings versions into memory: `runtime.Runtime`, or a fake."""

    def load(self, folder: Path, manifest: Manifest) -> Model:
        """Load the version that lies in `folder`."""


class Engine:
    """All models on one device. Use it inside one event loop.

    Args:
        settings: See there.
        metrics: Where batches are counted.
        make_loader: Called once, in a thread, since importing TensorFlow takes seconds.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, make_loader: Callable[[], Loader]
    ):
        self._settings = settings
        self._metrics = metrics
        self._make_loader = make_loader
        self._loader: Loader | None = None
        self._loading_thread = ThreadPoolExecutor(
            1, thread_name_prefix="load", initializer=lower_priority
        )
        self._loaded: dict[Key, LoadedVersion] = {}
        self._statuses: dict[Key, VersionStatus] = {}
        self._failed_at: dict[Key, int] = {}  # the manifest's mtime when it failed
        self._retiring: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._catalog = Catalog()
        self.on_change: list[Callable[[Catalog], None]] = []
        metrics.queue_limit.set(settings.max_queue_rows)

    @property
    def catalog(self) -> Catalog:
        """What is in memory at this moment."""
        return self._catalog

    async def start(self) -> None:
        """Load what is on disk, and go on watching the folder."""
        await self.reconcile()
        self._publish(settled=True)
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Take nothing new, finish what is queued within the limit, fail the rest."""
        if self._watcher is not None:
            self._watcher.cancel()
        limit = self._settings.drain_timeout_s
        await asyncio.gather(*(loaded.close(limit) for loaded in self._loaded.values()))
        self._loading_thread.shutdown(wait=False, cancel_futures=True)

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
    ) -> asyncio.Future[Answer]:
        """Queue rows for a model.

        Args:
            name: The model's.
            version: None means the newest that is ready.
            signature: One of the manifest's, `serving_default` for most.
            rows: One array for each input, as the signature says.
            deadline: `time.monotonic()` at which the answer is worth nothing.

        Returns:
            A future; cancelling it takes the rows back. See `Batcher.submit`.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady: See `Catalog.find`.
            InvalidInput: The rows are not what the signature says.
            TooManyRows: More rows than one request may have.
            QueueFull: Too many rows wait already.
        """
        return self._find(name, version).submit(signature, rows, deadline)

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
        try:
            self._find(name, version).queue(signature, requests)
        except ServeryError as error:
            for request in requests:
                request.fail(error)

    async def reconcile(self) -> None:
        """Bring memory in line with the disk once: load what is new, retire the old.

        A version goes only when enough newer ones are ready, so neither a version that
        fails to load nor a disk that vanishes takes a serving one away.
        """
        kept = self._settings.versions_kept
        missing = [
            (name, version)
            for name, versions in find_versions(self._settings.artifacts).items()
            for version in reversed(newest(versions, kept))
            if self._is_missing((name, version))
        ]
        for key in missing:
            self._set_status(key, VersionState.LOADING)
        for key in missing:
            await self._load(key)
        for key in list(self._outdated(kept)):
            task = asyncio.create_task(self._retire(key))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        if missing:
            _settle_memory()

    def _find(self, name: str, version: int | None) -> LoadedVersion:
        return self._loaded[name, self._catalog.find(name, version).version]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_seconds)
            try:
                await self.reconcile()
            except Exception:
                logger.exception("looking at the artifacts failed; trying again")

    def _is_missing(self, key: Key) -> bool:
        status = self._statuses.get(key)
        if status is None:
            return True
        changed = self._failed_at.get(key) != self._modified(key)
        return (
            status.state is VersionState.FAILED and key not in self._loaded and changed
        )

    def _modified(self, key: Key) -> int:
        try:
            return (self._folder(key) / FILENAME).stat().st_mtime_ns
        except OSError:
            return 0

    def _folder(self, key: Key) -> Path:
        return self._settings.artifacts / key[0] / str(key[1])

    async def _load(self, key: Key) -> None:
        loop = asyncio.get_running_loop()
        try:
            manifest, model = await loop.run_in_executor(
                self._loading_thread, self._load_in_thread, key
            )
            loaded = LoadedVersion(
                model, manifest, self._settings, self._metrics, partial(self._died, key)
            )
        except Exception as error:
            logger.exception("%s %d cannot be loaded", *key)
            self._failed_at[key] = self._modified(key)
            self._set_status(key, VersionState.FAILED, reason=str(error))
            return
        self._loaded[key] = loaded
        self._set_status(key, VersionState.READY, manifest=manifest)
        logger.info("%s %d is ready", *key)

    def _load_in_thread(self, key: Key) -> tuple[Manifest, Model]:
        folder = self._folder(key)
        manifest = read_manifest(folder)
        if (manifest.name, manifest.version) != key:
            raise ValueError(
                f"{folder}: expected the manifest of {key[0]} {key[1]}, "
                f"received that of {manifest.name} {manifest.version}"
            )
        with stderr_as_log_lines():
            if self._loader is None:
                self._loader = self._make_loader()
            began = time.perf_counter()
            verify_files(folder, manifest)
            model = self._loader.load(folder, manifest)
            seconds = time.perf_counter() - began
            warm_seconds = model.warm()
        labels = (key[0], str(key[1]))
        self._metrics.load_seconds.labels(*labels).set(seconds)
        self._metrics.warm_seconds.labels(*labels).set(warm_seconds)
        return manifest, model

    def _died(self, key: Key) -> None:
        self._set_status(key, VersionState.FAILED, reason="its batcher died")

    def _outdated(self, kept: int) -> Iterator[Key]:
        for name in {name for name, _ in self._loaded}:
            ready = sorted(
                version
                for (other, version), status in self._statuses.items()
                if other == name and status.state is VersionState.READY
            )
            yield from ((name, version) for version in ready[:-kept])

    async def _retire(self, key: Key) -> None:
        self._set_status(key, VersionState.DRAINING)
        await self._loaded[key].close(self._settings.drain_timeout_s)
        del self._loaded[key]
        gc.unfreeze()
        _settle_memory()
        self._count_state(self._statuses.pop(key), key, 0)
        self._publish()
        logger.info("%s %d is retired", *key)

    def _set_status(
        self,
        key: Key,
        state: VersionState,
        *,
        reason: str | None = None,
        manifest: Manifest | None = None,
    ) -> None:
        before = self._statuses.get(key)
        if before is not None:
            self._count_state(before, key, 0)
            manifest = manifest or before.manifest
        status = VersionStatus(
            version=key[1], state=state, reason=reason, manifest=manifest
        )
        self._statuses[key] = status
        self._count_state(status, key, 1)
        self._publish()

    def _count_state(self, status: VersionStatus, key: Key, value: int) -> None:
        self._metrics.model_state.labels(key[0], str(key[1]), status.state).set(value)

    def _publish(self, *, settled: bool = False) -> None:
        models: dict[str, list[VersionStatus]] = {}
        for (name, _), status in sorted(
            self._statuses.items(), key=lambda pair: pair[0]
        ):
            models.setdefault(name, []).append(status)
        self._catalog = Catalog(
            settled=settled or self._catalog.settled,
            models={
                name: ModelStatus(name=name, versions=tuple(versions))
                for name, versions in models.items()
            },
        )
        for name, model in self._catalog.models.items():
            default = model.default.version if model.default else 0
            self._metrics.default_version.labels(name).set(default)
        for listener in self.on_change:
            listener(self._catalog)


def _settle_memory() -> None:
    """Give back what loading left behind or a version held, and walk the rest no more.

    TensorFlow's objects live as long as their models: a full collection that walks them
    stops everything for 130 ms. And of the memory that loading takes, the C library
    keeps the larger part for later.
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # the library is not glibc
        ctypes.CDLL(None).malloc_trim(0)

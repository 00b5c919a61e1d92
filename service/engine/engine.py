"""The use case: (model, version, signature, rows, deadline) → rows.

Keeps in memory what the store says should be there. Every version has its own batchers
and its own thread, so the operating system shares the cores between models and a heavy
one cannot hold up a light one.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from service.engine.batcher import Answer, Batcher
from service.engine.catalog import Catalog, ModelStatus, State, VersionStatus
from service.engine.rows import Form, Rows
from service.engine.store import find_versions, newest
from service.errors import InvalidInput
from service.logs import stderr_as_log_lines
from service.manifest import (
    FILENAME,
    Manifest,
    read_manifest,
    verify_files,
)
from service.metrics import BatchMetrics, Metrics
from service.settings import Settings

logger = logging.getLogger(__name__)

Key = tuple[str, int]  # model, version


class Model(Protocol):
    """A version in memory."""

    def run(self, signature: str, rows: Rows) -> Rows:
        """Compute a batch of an allowed size."""

    def warm(self) -> float:
        """Run every batch size once; seconds."""


class Loader(Protocol):
    """What brings versions into memory: `runtime.Runtime`, or a fake."""

    def load(self, folder: Path, manifest: Manifest) -> Model:
        """Load the version that lies in `folder`."""


@dataclass(frozen=True, slots=True)
class _Live:
    """A version in memory, with what computes for it."""

    batchers: dict[str, Batcher]
    forms: dict[str, Form]
    thread: ThreadPoolExecutor

    async def close(self, timeout_s: float) -> None:
        await asyncio.gather(
            *(each.close(timeout_s) for each in self.batchers.values())
        )
        self.thread.shutdown(wait=False)


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
        self._loading_thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._live: dict[Key, _Live] = {}
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
        await asyncio.gather(*(live.close(limit) for live in self._live.values()))
        self._loading_thread.shutdown(wait=False, cancel_futures=True)

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Rows,
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
            QueueFull: No room.
        """
        status = self._catalog.find(name, version)
        live = self._live[name, status.version]
        if signature not in live.forms:
            known = ", ".join(live.forms)
            raise InvalidInput(
                f"{name} has no signature {signature!r}; there are: {known}."
            )
        live.forms[signature].check(rows, self._settings.max_request_rows)
        return live.batchers[signature].submit(rows, deadline)

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
            self._set_status(key, State.LOADING)
        for key in missing:
            await self._load(key)
        for key in list(self._outdated(kept)):
            task = asyncio.create_task(self._retire(key))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        if missing:
            # TensorFlow's objects live as long as we do: a full collection that walks
            # them stops everything for 130 ms.
            gc.collect()
            gc.freeze()

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
        return status.state is State.FAILED and key not in self._live and changed

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
        except Exception as error:
            logger.exception("%s %d cannot be loaded", *key)
            self._failed_at[key] = self._modified(key)
            self._set_status(key, State.FAILED, reason=str(error))
            return
        self._live[key] = self._serve(key, manifest, model)
        self._set_status(key, State.READY, manifest=manifest)
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

    def _serve(self, key: Key, manifest: Manifest, model: Model) -> _Live:
        name, version = key
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-{version}")
        loop = asyncio.get_running_loop()

        async def run(signature: str, rows: Rows) -> Rows:
            return await loop.run_in_executor(thread, model.run, signature, rows)

        batchers = {
            signature: Batcher(
                partial(run, signature),
                self._batch_sizes(manifest),
                self._settings.max_queue_rows,
                BatchMetrics(self._metrics, name, partial(self._on_death, key)),
                version=version,
            )
            for signature in manifest.signatures
        }
        forms = {key: Form(each) for key, each in manifest.signatures.items()}
        return _Live(batchers, forms, thread)

    def _batch_sizes(self, manifest: Manifest) -> tuple[int, ...]:
        most = self._settings.max_batch_rows or max(manifest.batch_sizes)
        allowed = tuple(size for size in manifest.batch_sizes if size <= most)
        return allowed or manifest.batch_sizes[:1]

    def _on_death(self, key: Key) -> None:
        self._set_status(key, State.FAILED, reason="its batcher died")

    def _outdated(self, kept: int) -> Iterator[Key]:
        for name in {name for name, _ in self._live}:
            ready = sorted(
                version
                for (other, version), status in self._statuses.items()
                if other == name and status.state is State.READY
            )
            yield from ((name, version) for version in ready[:-kept])

    async def _retire(self, key: Key) -> None:
        self._set_status(key, State.DRAINING)
        await self._live[key].close(self._settings.drain_timeout_s)
        del self._live[key]
        self._count_state(self._statuses.pop(key), key, 0)
        self._publish()
        logger.info("%s %d is retired", *key)

    def _set_status(
        self,
        key: Key,
        state: State,
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

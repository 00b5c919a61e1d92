"""From a folder to a model in memory: read, verify, load, warm."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from service.contract.contract import Contract
from service.contract.policy import ModelPolicy
from service.contract.version import Version, read_version
from service.drift.reference import find_reference
from service.engine.compute.runtime import Loaded, Model
from service.engine.compute.threads import lower_priority
from service.engine.reconciler import Key
from service.metrics import Metrics
from service.processes.memory import settle

logger = logging.getLogger(__name__)


class Loader(Protocol):
    """What brings versions into memory: `RuntimeChooser`, or a fake."""

    def load(self, folder: Path, contract: Contract, policy: ModelPolicy) -> Loaded:
        """Load and warm the version that lies in `folder`, as `policy` asks."""

    def is_quick(self, folder: Path, contract: Contract, policy: ModelPolicy) -> bool:
        """Whether a version can be loaded without waiting for another process."""

    def expect_others(self) -> None:
        """Get ready for versions that cannot, without waiting."""

    def release(self) -> None:
        """Let go of what no version uses, now that all are loaded."""

    def recheck(self, unchanged: Collection[Key]) -> list[Key]:
        """Check again what may have gone wrong since; versions to be loaded anew.

        Args:
            unchanged: Versions that lie on disk as they were when they were loaded.
        """


class Load(NamedTuple):
    """A version that is to be loaded."""

    key: Key
    path: Path
    policy: ModelPolicy


class LoadingThread:
    """Loads one version at a time, in a thread that gives way to those that compute.

    Args:
        metrics: Where it is noted how long that took.
        make_loader: Called once, in that thread: importing a runtime takes seconds.
        references: See `find_reference`.
    """

    def __init__(
        self,
        metrics: Metrics,
        make_loader: Callable[[], Loader],
        references: Path | None = None,
    ):
        self._metrics = metrics
        self._make_loader = make_loader
        self._references = references
        self._loader: Loader | None = None
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="load", initializer=lower_priority
        )

    async def prepare(self) -> None:
        """Make the loader, unless that is done."""
        if self._loader is None:
            loop = asyncio.get_running_loop()
            self._loader = await loop.run_in_executor(self._thread, self._make_loader)

    async def load(
        self, key: Key, folder: Path, policy: ModelPolicy
    ) -> tuple[Version, Model]:
        """Load and warm a version, as `policy` asks.

        Raises:
            ManifestError, SavedModelError: See `read_version`.
            Exception: Whatever the runtime finds wrong with it.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._load, key, folder, policy)

    async def order(self, loads: Sequence[Load]) -> list[Load]:
        """Put first what is loaded first: quick ones, and light ones among them.

        What the others need is made ready meanwhile.
        """
        with suppress(Exception):  # it is told when a version is loaded
            await self.prepare()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._order, loads)

    async def recheck(self, unchanged: Collection[Key]) -> list[Key]:
        """See `Loader`."""
        if self._loader is None:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._loader.recheck, unchanged)

    async def settle(self, *, retired: bool = False) -> None:
        """Give back memory, in this thread: there it stalls others a third as long."""
        work = partial(self._settle, retired=retired)
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Load nothing more. What is being loaded cannot be interrupted."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _settle(self, *, retired: bool) -> None:
        settle(retired=retired)
        if self._loader is not None:
            self._loader.release()

    def _order(self, loads: Sequence[Load]) -> list[Load]:
        if self._loader is None:
            return list(loads)
        ranks = {load.key: self._rank(load, self._loader) for load in loads}
        if any(slow for slow, _ in ranks.values()):
            self._loader.expect_others()
        return sorted(loads, key=lambda load: ranks[load.key])

    def _rank(self, load: Load, loader: Loader) -> tuple[bool, int]:
        """Whether a version waits for others, and its MiB; what is broken is last."""
        try:
            version = read_version(load.path, *load.key, verify=False)
            contract = load.policy.apply(version.contract)
            quick = loader.is_quick(load.path, contract, load.policy)
            files = (each for each in load.path.rglob("*") if each.is_file())
            size = sum(each.stat().st_size for each in files)
            return not quick, size >> 20
        except (OSError, ValueError):  # to be told when it is loaded
            return True, 0

    def _load(
        self, key: Key, folder: Path, policy: ModelPolicy
    ) -> tuple[Version, Model]:
        assert self._loader is not None  # `prepare` made it  # noqa: S101
        began = time.perf_counter()
        version = read_version(folder, *key, frozenset(policy.allow_operations))
        if version.unlisted:
            logger.info("%s %d: files not in the manifest: %s", *key, version.unlisted)
        contract = policy.apply(version.contract)
        reference = find_reference(folder, contract, version.manifest, self._references)
        loaded = self._loader.load(folder, contract, policy)
        seconds = time.perf_counter() - began - loaded.warm_s
        labels = (key[0], str(key[1]))
        self._metrics.load_seconds.labels(*labels).set(seconds)
        self._metrics.warm_seconds.labels(*labels).set(loaded.warm_s)
        model, choice = loaded.model, loaded.choice
        version = replace(version, contract=model.contract, reference=reference)
        return replace(version, runtime=choice), model

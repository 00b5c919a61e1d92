"""One version in the place of an engine, computed where it is asked."""

import asyncio
from collections.abc import Callable

from service.contract.contract import from_manifest
from service.contract.manifest import Manifest
from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.commands import Command, Outcome
from service.errors import NotSupported


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

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def command(self, command: Command, deadline: float) -> Outcome:
        """See `EngineHandle`; nobody administrates it."""
        raise NotSupported("There is no engine here.")

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

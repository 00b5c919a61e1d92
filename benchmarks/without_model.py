"""Servery's HTTP layer alone: it parses, decodes and answers, and asks no model.

What is left of a request when the model costs nothing; half of the ceiling. It is the
service's own HTTP process, started as the supervisor does, with another engine.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

from service.contract.contract import from_manifest
from service.contract.manifest import Manifest, read_manifest
from service.engine.batching.batcher import Answer
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.commands import Command, Outcome
from service.settings import Settings


class InstantEngine:
    """Stands in for the engine: one version of one model, computed at once.

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
        """Nobody administrates it."""
        raise NotImplementedError

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
    ) -> asyncio.Future[Answer]:
        """As the engine's client has it."""
        outputs, count = self._compute(signature, rows), count_rows(rows)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(Answer(outputs, 0.0, 0.0, count, self._version))
        return future


def answer_alike(folder: str, **limits: float) -> InstantEngine:
    """Digits in no time: all classes are as probable. `folder` is a version of it."""
    manifest = read_manifest(Path(folder))
    (output,) = manifest.signatures["serving_default"].outputs
    classes = output.shape[1] or 1
    row = np.full((1, classes), 1 / classes, np.float32)
    return InstantEngine(
        manifest, lambda _, rows: (row.repeat(count_rows(rows), axis=0),)
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=int, required=True)
def main(folder: Path, port: int) -> None:
    """Serve as one HTTP process of the service does, on a port of its own."""
    from service.processes.handover import Handover
    from service.processes.samples import create_block
    from service.processes.sockets import listen
    from service.web import __main__ as process

    name = "http-0"
    handover = Handover(
        name=name,
        settings=Settings(),
        lifeline=os.pipe()[0],
        heartbeat=os.open(os.devnull, os.O_WRONLY),
        listener=listen("127.0.0.1", port).detach(),
        blocks={name: create_block(name)},
        engine=str(folder),  # where `answer_alike` finds its manifest
    )
    with patch.object(process, "EngineClient", answer_alike):
        process.main(["--name", name, "--handover", handover.model_dump_json()])


if __name__ == "__main__":
    main()

"""Servery's HTTP layer alone: it parses, decodes and answers, and asks no model.

What is left of a request when the model costs nothing; half of the ceiling. It is the
service's own HTTP process, started as the supervisor does, with another engine.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

from service.contract.manifest import read_manifest
from service.engine.batching.batcher import Answer
from service.engine.batching.tensors import Tensors, count_rows
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.settings import Settings


class InstantDoor:
    """An engine with one model, which answers at once, always the same.

    Args:
        folder: A version of digits.
    """

    def __init__(self, folder: Path):
        manifest = read_manifest(folder)
        self._version = manifest.version
        status = VersionStatus(
            version=manifest.version, state=VersionState.READY, manifest=manifest
        )
        model = ModelStatus(name=manifest.name, versions=(status,))
        self.catalog = Catalog(settled=True, models={manifest.name: model})
        (output,) = manifest.signatures["serving_default"].outputs
        classes = output.shape[1] or 1
        self._row = np.full((1, classes), 1 / classes, np.float32)

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
    ) -> asyncio.Future[Answer]:
        """All classes are as probable."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        outputs = (self._row.repeat(count_rows(rows), axis=0),)
        future.set_result(Answer(outputs, 0.0, 0.0, count_rows(rows), self._version))
        return future


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=int, required=True)
def main(folder: Path, port: int) -> None:
    """Serve as one HTTP process of the service does, on a port of its own."""
    with tempfile.TemporaryDirectory(prefix="servery-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics  # read at the next imports
        from service.processes.supervisor import listen
        from service.web import __main__ as process

        listener = listen("127.0.0.1", port)
        lifeline, _ = os.pipe()
        with patch.object(process, "EngineClient", InstantDoor):
            process.main(
                [
                    *("--settings", Settings().model_dump_json()),
                    *("--door", str(folder)),  # where `InstantDoor` finds its manifest
                    *("--listener", str(listener.detach())),
                    *("--lifeline", str(lifeline)),
                    *("--name", "http 0"),
                ]
            )


if __name__ == "__main__":
    main()

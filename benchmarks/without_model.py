"""Servery's HTTP layer alone: it parses, decodes and answers, and asks no model.

What is left of a request when the model costs nothing; half of the ceiling.
"""

import asyncio
import gc
from pathlib import Path

import click
import numpy as np
import uvicorn
from prometheus_client import CollectorRegistry

from service.engine.batcher import Answer
from service.engine.catalog import Catalog, ModelStatus, State, VersionStatus
from service.engine.rows import Rows, count_rows
from service.logs import AccessLog, configure_logging
from service.manifest import read_manifest
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.room import Room


class InstantDoor:
    """An engine with one model, which answers at once, always the same.

    Args:
        folder: A version of digits.
    """

    def __init__(self, folder: Path):
        manifest = read_manifest(folder)
        self._version = manifest.version
        status = VersionStatus(
            version=manifest.version, state=State.READY, manifest=manifest
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
        rows: Rows,
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
    """Serve as one HTTP process of the service does; see `service.web.__main__`."""
    settings = Settings()
    configure_logging(settings.log_level, "http")
    access_log = AccessLog("http") if settings.access_log else None
    metrics = Metrics(CollectorRegistry())
    room = Room(settings, InstantDoor(folder), metrics, access_log)
    config = uvicorn.Config(
        create_app(room),
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    gc.collect()
    gc.freeze()
    server.run()


if __name__ == "__main__":
    main()

"""Servery's HTTP layer alone: it parses, decodes and answers, and asks no model.

What is left of a request when the model costs nothing; half of the ceiling. It is the
service's own HTTP process, started as the supervisor does, with another engine.
"""

import os
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

from service.contract.manifest import read_manifest
from service.engine.batching.tensors import count_rows
from service.engine.instant import InstantEngine
from service.settings import Settings


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
    from service.web import process

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

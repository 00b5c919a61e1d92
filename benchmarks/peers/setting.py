"""What a peer is told by whoever starts it: models, workers, threads, port."""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration of one peer.

    Attributes:
        models: The folder `<model>/<version>` of each, by name.
        workers: Processes that compute, for each model.
        threads: TensorFlow's, in each of them.
    """

    models: dict[str, Path]
    workers: int
    threads: int


def read_setting() -> Setting:
    """`PEER_MODELS`, `PEER_WORKERS` and `PEER_THREADS`, which processes inherit."""
    models = json.loads(os.environ["PEER_MODELS"])
    return Setting(
        models={name: Path(folder) for name, folder in models.items()},
        workers=int(os.environ["PEER_WORKERS"]),
        threads=int(os.environ["PEER_THREADS"]),
    )


def read_port() -> int:
    """`--port` of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    return port

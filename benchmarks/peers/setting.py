"""What a peer is told by whoever starts it: models, workers, threads, port."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration of one peer."""

    models: dict[str, Path]  # the folder `<model>/<version>` of each, by name
    workers: int  # processes that compute, for each model
    threads: int  # tensorFlow's, in each of them


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
    return int(sys.argv[sys.argv.index("--port") + 1])

"""How long the service takes from its start until every small model answers."""

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.results import Start
from benchmarks.servers import running
from benchmarks.subjects import servery
from service.engine.disk import find_versions

LARGE = frozenset({"photo"})
IMPORT = "import os, tensorflow; os._exit(0)"  # what comes after the import is not it


def link_models(artifacts: Path, names: Iterable[str], place: Path) -> Path:
    """Make at `place` a folder of artifacts with these models and no others."""
    place.mkdir()
    for name in names:
        (place / name).symlink_to(artifacts.resolve() / name)
    return place


def link_small_models(artifacts: Path, place: Path) -> Path:
    """The same with all models but the large ones."""
    return link_models(artifacts, find_versions(artifacts).keys() - LARGE, place)


def measure_start(small: Path, folder: Path) -> Start:
    """Start the service once, after TensorFlow's import alone.

    Args:
        small: What it serves.
        folder: For its log.

    Raises:
        ServerError: It does not start.
    """
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True)
    import_s = time.monotonic() - began
    began = time.monotonic()
    server, _ = servery(small)
    with running([server], folder):
        return Start(time.monotonic() - began, import_s)

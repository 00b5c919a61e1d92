"""The model without a server, in a process that the servers' threads do not share.

As the engine runs it: the same room for TensorFlow, the same threads, traced sizes.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from service.manifest import read_manifest

SIZES = (1, 8, 32)
SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Bare:
    """Calls of the model, one after the other.

    Attributes:
        images_s: Images a second.
        ms: Milliseconds of a call, the median.
        others: Share of the machine that others took meanwhile.
    """

    images_s: float
    ms: float
    others: float = 0.0


class BareModel:
    """The other end of `main`."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def measure(self, size: int, seconds: float) -> Bare:
        """Call the model with `size` images for so many seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{size} {seconds}\n")
        self._process.stdin.flush()
        return Bare(**json.loads(self._process.stdout.readline()))


@contextmanager
def bare_model(folder: Path, threads: int) -> Iterator[BareModel]:
    """Load a version in a process of its own, which ends with its standard input."""
    command = [sys.executable, "-m", "benchmarks.bare", str(folder), str(threads)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield BareModel(process)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("threads", type=int)
def main(folder: Path, threads: int) -> None:
    """Answer every line `<size> <seconds>` with what was measured, as JSON."""
    from service.engine.runtime import Runtime  # imports TensorFlow: seconds

    manifest = read_manifest(folder)
    model = Runtime("auto", threads).load(folder, manifest)
    model.warm()
    pixels = np.random.default_rng(0).integers(0, 256, (max(SIZES), 28, 28), np.uint8)
    for line in sys.stdin:
        size, seconds = line.split()
        rows = (pixels[: int(size)],)
        taken, until = [], time.perf_counter() + float(seconds)
        while (began := time.perf_counter()) < until:
            model.run(SIGNATURE, rows)
            taken.append(time.perf_counter() - began)
        images_s = int(size) * len(taken) / sum(taken)
        ms = 1000 * statistics.median(taken)
        print(json.dumps({"images_s": images_s, "ms": ms}), flush=True)


if __name__ == "__main__":
    main()

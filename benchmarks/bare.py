"""The model without a server, in a process that the servers' threads do not share.

As the engine runs it: the same room for TensorFlow, traced sizes; the sizes that the
engine never makes are asked of the SavedModel's own signature.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.workloads import WORK
from service.contract.manifest import read_manifest
from service.engine.batching.tensors import Tensors

SIZES = (1, 8, 32)
SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Bare:
    """Calls of the model, one after the other.

    Attributes:
        model: Its name.
        threads: Of TensorFlow, and cores that it may use.
        size: Rows in a call.
        rows_s: Rows a second.
        ms: Milliseconds of a call, the median.
        cpu_ms: CPU milliseconds for a row.
        others: Share of the machine that others took meanwhile.
    """

    model: str
    threads: int
    size: int
    rows_s: float
    ms: float
    cpu_ms: float
    others: float = 0.0


class BareModel:
    """The other end of `main`."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def measure(self, size: int, seconds: float) -> Bare:
        """Call the model with `size` rows for so many seconds.

        Raises:
            RuntimeError: Its process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{size} {seconds}\n")
            self._process.stdin.flush()
            return Bare(**json.loads(self._process.stdout.readline()))
        except (BrokenPipeError, ValueError) as error:
            raise RuntimeError("the bare model ended instead of answering") from error


@contextmanager
def bare_model(name: str, folder: Path, threads: int) -> Iterator[BareModel]:
    """Load a version in a process of its own, which ends with its standard input.

    Args:
        name: Of the model.
        folder: `<model>/<version>`.
        threads: TensorFlow's; the process gets as many cores and no more.
    """
    command = [sys.executable, "-m", "benchmarks.bare", name, str(folder), str(threads)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield BareModel(process)


@click.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("threads", type=int)
def main(name: str, folder: Path, threads: int) -> None:
    """Answer every line `<size> <seconds>` with what was measured, as JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    run = _load(folder, threads)
    work = WORK[name]()
    for line in sys.stdin:
        size, seconds = line.split()
        found = _measure(run, work.rows(int(size)), float(seconds))
        about = {"model": name, "threads": threads, "size": int(size)}
        print(json.dumps(about | found), flush=True)


def _load(folder: Path, threads: int) -> Callable[[Tensors], Any]:
    """The engine's way at the engine's sizes, the SavedModel's own at others."""
    import tensorflow as tf  # takes seconds

    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    manifest = read_manifest(folder)
    model = TensorFlowRuntime("auto", threads).load(folder, manifest)
    model.warm()
    saved_model = tf.saved_model.load(str(folder))
    names = [spec.name for spec in manifest.signatures[SIGNATURE].inputs]

    def run(rows: Tensors) -> Any:
        if len(rows[0]) in manifest.batch_sizes:
            return model.run(SIGNATURE, rows)
        tensors = map(tf.constant, rows)
        outputs = saved_model.signatures[SIGNATURE](
            **dict(zip(names, tensors, strict=True))
        )
        return [output.numpy() for output in outputs.values()]

    return run


def _measure(
    run: Callable[[Tensors], Any], rows: Tensors, seconds: float
) -> dict[str, float]:
    run(rows)
    taken: list[float] = []
    cpu_s, until = time.process_time(), time.perf_counter() + seconds
    while not taken or time.perf_counter() < until:
        began = time.perf_counter()
        run(rows)
        taken.append(time.perf_counter() - began)
    count = len(rows[0]) * len(taken)
    return {
        "rows_s": count / sum(taken),
        "ms": 1000 * statistics.median(taken),
        "cpu_ms": 1000 * (time.process_time() - cpu_s) / count,
    }


if __name__ == "__main__":
    main()

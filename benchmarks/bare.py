"""The model without a server, in a process that the servers' threads do not share.

As the engine runs it, with the engine's runtime; batches of a size that the engine
never makes are asked of the SavedModel's own signature.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.load import Load
from benchmarks.workloads import WORK
from service.contract.manifest import read_manifest
from service.engine.batching.tensors import Tensors, slice_rows

_loaded: dict[str, Any] = {}  # in the process of a bare model


@contextmanager
def bare_model(
    name: str, folder: Path, threads: int
) -> Iterator[Callable[[int, float], Load]]:
    """Load a version in a process of its own.

    Args:
        name: Of the model.
        folder: `<model>/<version>`.
        threads: TensorFlow's; the process gets as many cores and no more.

    Yields:
        What calls it, with so many rows for so many seconds: a load of rows.
    """
    arguments = name, folder, threads
    with ProcessPoolExecutor(1, get_context("spawn"), _load, arguments) as process:
        yield lambda *asked: process.submit(_measure, *asked).result()


def _load(name: str, folder: Path, threads: int) -> None:
    """A version, warm, on so many cores: the engine's way, and the SavedModel's own."""
    import tensorflow as tf  # takes seconds

    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    manifest, work = read_manifest(folder), WORK[name]()
    model = TensorFlowRuntime("auto", threads).load(folder, manifest)
    model.warm()
    saved = tf.saved_model.load(str(folder)).signatures[work.signature]
    names = [spec.name for spec in manifest.signatures[work.signature].inputs]

    def call(rows: Tensors) -> Any:
        if len(rows[0]) in manifest.batch_sizes:
            return model.run(work.signature, rows)
        outputs = saved(**dict(zip(names, map(tf.constant, rows), strict=True)))
        return [output.numpy() for output in outputs.values()]

    _loaded.update(call=call, rows=work.rows)


def _measure(size: int, seconds: float) -> Load:
    """Call again and again, after one call that does not count."""
    call = partial(_loaded["call"], slice_rows(_loaded["rows"], 0, size))
    call()
    taken: list[float] = []
    cpu_s, until = process_time(), perf_counter() + seconds
    while not taken or perf_counter() < until:
        began = perf_counter()
        call()
        taken.append(perf_counter() - began)
    p50_ms, p99_ms = (1000 * np.quantile(taken, (0.5, 0.99))).tolist()
    cpu_s = process_time() - cpu_s
    rows = size * len(taken)
    return Load(rows, sum(taken), p50_ms, p99_ms, {}, server_cpu_s=cpu_s)

"""What one call of a model costs, in each of the ways to call it.

    signature ─▶ constants ─▶ served ─▶ bfloat16        beside them: XLA

The ways take turns, a few calls each, so that a noisy machine is noisy for all; the
least of the times is then the call, and the median is the call on this machine.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from service.contract.manifest import Manifest, read_manifest
from service.contract.signature import TensorSpec
from service.engine.batching.tensors import Array, Tensors

Call = Callable[[Tensors], Any]
TEXT = b"A slow start, but then a film of great warmth; I would see it again."
CALLS = 8  # before the next way has its turn


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of single calls, and of processor time in all."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, call: Call, rows: Tensors, calls: int) -> None:
        """Call a few times and note what it took."""
        cpu = time.process_time()
        for _ in range(calls):
            began = time.perf_counter()
            call(rows)
            self.seconds.append(time.perf_counter() - began)
        self.cpu.append((time.process_time() - cpu) / calls)

    def __str__(self) -> str:
        parts = min(self.seconds), statistics.median(self.seconds), min(self.cpu)
        return " | ".join(f"{1000 * part:.3f}" for part in parts)


def draw(spec: TensorSpec, size: int) -> Array:
    """Rows of this input's form: noise, votes, ages, or one sentence many times."""
    shape = [size, *(dim or 1 for dim in spec.shape[1:])]
    rng = np.random.default_rng(0)
    if spec.dtype == "string":
        return np.full(shape, TEXT, dtype=object)
    if spec.dtype == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    if spec.dtype == "float32":
        return rng.standard_normal(shape, np.float32)
    return rng.integers(0, 2, shape).astype(spec.dtype)


def find_ways(folder: Path, manifest: Manifest, name: str, threads: int) -> Any:
    """Each way to call a signature, by its name."""
    import tensorflow as tf  # takes seconds
    from tensorflow.python.framework import convert_to_constants

    from service.engine.compute.tensorflow_runtime import TensorFlowModel

    saved = tf.saved_model.load(str(folder))
    names = [spec.name for spec in manifest.signatures[name].inputs]
    signature = saved.signatures[name]

    def as_tensors(rows: Tensors) -> dict[str, Any]:
        return dict(zip(names, map(tf.constant, rows), strict=True))

    def call_eagerly(function: Any) -> Call:
        return lambda rows: [
            output.numpy() for output in tf.nest.flatten(function(**as_tensors(rows)))
        ]

    ways: dict[str, Call] = {"signature": call_eagerly(signature)}
    constant = convert_to_constants.convert_variables_to_constants_v2(signature)
    if len(constant.inputs) == len(names):  # else it has tables, which it cannot call
        order = sorted(names)
        ways["constants"] = lambda rows: [
            output.numpy()
            for output in constant(*(as_tensors(rows)[each] for each in order))
        ]
    compiled = tf.function(
        lambda **inputs: saved.signatures[name](**inputs),  # keeps its variables, too
        jit_compile=True,
        autograph=False,
    )
    if all(spec.dtype != "string" for spec in manifest.signatures[name].inputs):
        ways["XLA"] = call_eagerly(compiled)  # of text it dies, and we with it
    for way, rounds in (("served", False), ("bfloat16", True)):
        model = TensorFlowModel(
            saved, manifest, "/CPU:0", threads, threads, rounds=rounds
        )
        if not rounds or name in model.bfloat16:
            ways[way] = partial(model.run, name)
    return ways


def measure(ways: dict[str, Call], rows: Tensors, seconds: float) -> dict[str, Cost]:
    """Let the ways take turns for so many seconds; without those that cannot."""
    import tensorflow as tf

    able = {}
    for way, call in ways.items():
        with suppress(tf.errors.OpError, NotImplementedError):
            call(rows)
            began = time.perf_counter()
            call(rows)
            able[way] = CALLS if time.perf_counter() - began < 0.02 else 1
    costs = {way: Cost() for way in able}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for way, calls in able.items():
            costs[way].add(ways[way], rows, calls)
    return costs


def lines(folder: Path, threads: int, seconds: float) -> Iterator[str]:
    """The table's lines of one model: each signature with one row and the most."""
    manifest = read_manifest(folder)
    for name, signature in manifest.signatures.items():
        ways = find_ways(folder, manifest, name, threads)
        for size in (1, max(manifest.batch_sizes)):
            rows = tuple(draw(spec, size) for spec in signature.inputs)
            for way, cost in measure(ways, rows, seconds).items():
                yield f"| {manifest.name} {name} | {size} | {way} | {cost} |"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--threads", default=1, show_default=True, help="For one call.")
@click.option("--seconds", default=3.0, show_default=True, help="For each row.")
def main(folders: Sequence[Path], threads: int, seconds: float) -> None:
    """Measure the models in FOLDERS (artifacts/<model>/<version>), print a table."""
    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    TensorFlowRuntime("cpu", threads)
    click.echo("| signature | rows | called as | least ms | median ms | CPU ms |")
    click.echo("|---|--:|---|--:|--:|--:|")
    for folder in folders:
        for line in lines(folder, threads, seconds):
            click.echo(line)


if __name__ == "__main__":
    main()

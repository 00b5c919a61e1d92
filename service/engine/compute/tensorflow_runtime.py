"""Where TensorFlow computes: device, loading, warming, running.

    SavedModel ─▶ trace, any number of rows ─▶ constants for variables ─▶ session

The constants are made in `graph`. A session of its own gives every signature its own
threads, computes in the thread that asks, and costs half of what calling a
`tf.function` does. docs/performance.md has the figures.
"""

import logging
import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of TensorFlow's own C++
# Else all sessions share the threads of the first, and what a light model hands to them
# waits behind what a heavy one has handed over.
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from service.contract.manifest import Manifest
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Tensors
from service.engine.compute.precision import Precision, agree, draw_rows, has_bfloat16
from service.engine.compute.tensorflow_graph import Graph, freeze
from service.processes.cores import available_cores

logger = logging.getLogger(__name__)

HEAVY_BYTES = 20_000_000  # of weights: more than the processor's caches hold
CALLERS_THREAD = -1  # TensorFlow's word for handing operations to no other thread

Call = Callable[..., Sequence[Any]]
"""An array for each input to an array for each output, in the manifest's order."""


class SignatureError(ValueError):
    """The SavedModel does not have the signature that its manifest promises."""


class TensorFlowRuntime:
    """The device and its threads. One a process, made before any model is loaded.

    Args:
        device: `auto` takes a GPU where TensorFlow finds one.
        threads: Threads that one batch may use on the CPU.
        heavy_threads: The same for a model of more than `HEAVY_BYTES`, beside which all
            else is little work; None = every core that this process may use.
        precision: `bfloat16` asks for it wherever a model agrees with itself in it.

    Raises:
        RuntimeError: A GPU was asked for and there is none.
    """

    def __init__(
        self,
        device: Literal["auto", "cpu", "gpu"],
        threads: int,
        heavy_threads: int | None = None,
        precision: Precision = "float32",
    ):
        gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
        if device == "gpu" and not gpus:
            raise RuntimeError("device: expected a GPU, TensorFlow finds none")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.device = "/GPU:0" if gpus else "/CPU:0"
        self.threads = threads
        self.heavy_threads = heavy_threads or available_cores()
        self.rounds = precision == "bfloat16" and not gpus and has_bfloat16()
        if precision == "bfloat16" and not self.rounds:
            logger.warning("bfloat16: expected a CPU that has it; staying in float32")

    def load(self, folder: Path, manifest: Manifest) -> "TensorFlowModel":
        """Load a version and open all its signatures; `warm` it before use."""
        with tf.device("/CPU:0"):  # weights become constants before they move
            saved = tf.saved_model.load(str(folder))
        threads = (self.threads, self.heavy_threads)
        return TensorFlowModel(
            saved, manifest, self.device, *threads, rounds=self.rounds
        )


class TensorFlowModel:
    """One version in memory, with a session for every signature.

    Args:
        saved_model: What `tf.saved_model.load` gave.
        manifest: Its contract.
        device: `/CPU:0` or `/GPU:0`.
        threads: Threads that one batch may use on the CPU.
        heavy_threads: The same if its weights are more than `HEAVY_BYTES`.
        rounds: Whether it may compute in bfloat16, where it agrees with itself in it.

    Raises:
        SignatureError: The SavedModel is not what the manifest says.
    """

    def __init__(
        self,
        saved_model: Any,
        manifest: Manifest,
        device: str,
        threads: int = 1,
        heavy_threads: int = 1,
        *,
        rounds: bool = False,
    ):
        self._manifest = manifest
        self._traces = 0
        self.bfloat16: list[str] = []  # signatures that compute in it
        self._calls: dict[str, Call] = {}
        for name, signature in manifest.signatures.items():
            function = self._trace(saved_model.signatures[name], name, signature)
            try:
                graph = freeze(function, device)
            except (ValueError, tf.errors.OpError) as error:
                logger.warning("%s %s is not constant: %s", manifest.name, name, error)
                self._owner = saved_model  # of the variables that it goes on to use
                self._calls[name] = _call_eagerly(function, device)
                continue
            most = heavy_threads if graph.size > HEAVY_BYTES else threads
            rows = draw_rows(signature, max(manifest.batch_sizes)) if rounds else None
            session, call, rounded = _open(graph, most, rows)
            weakref.finalize(self, session.close)
            self._calls[name] = call
            if rounded:
                self.bfloat16.append(name)

    @property
    def traces(self) -> int:
        """How often a function was traced; never grows after loading."""
        return self._traces

    def run(self, signature: str, rows: Tensors) -> Tensors:
        """Compute one batch.

        Args:
            signature: One of the manifest's.
            rows: As many rows as one of the manifest's batch sizes.

        Returns:
            The signature's outputs, in its order.
        """
        return tuple(self._calls[signature](*rows))

    def warm(self) -> float:
        """Run every signature at every batch size, and return the seconds it took."""
        began = time.perf_counter()
        for name, signature in self._manifest.signatures.items():
            for size in self._manifest.batch_sizes:
                self.run(name, tuple(_example(spec, size) for spec in signature.inputs))
        return time.perf_counter() - began

    def _trace(self, saved: Any, name: str, signature: Signature) -> Any:
        """A concrete function: inputs by position, outputs as a list."""
        _check_signature(name, signature, saved.structured_input_signature[1])
        names = [spec.name for spec in signature.inputs]
        outputs = [spec.name for spec in signature.outputs]

        def call(*tensors: Any) -> list[Any]:
            self._traces += 1
            results = saved(**dict(zip(names, tensors, strict=True)))
            return [results[output] for output in outputs]

        specs = [
            tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
            for spec in signature.inputs
        ]
        return tf.function(call, autograph=False).get_concrete_function(*specs)


def _open(graph: Graph, threads: int, rows: Tensors | None) -> tuple[Any, Call, bool]:
    """A session, what calls it, and whether in bfloat16: only if `rows` agree in it."""
    session, call = _open_session(graph, threads)
    if rows is None:
        return session, call, False
    rounding, rounded = _open_session(graph, threads, bfloat16=True)
    if agree(tuple(call(*rows)), tuple(rounded(*rows))):
        session.close()
        return rounding, rounded, True
    rounding.close()
    return session, call, False


def _open_session(
    graph: Graph, threads: int, *, bfloat16: bool = False
) -> tuple[Any, Call]:
    """Devices and threads for a graph, and what calls it."""
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=CALLERS_THREAD,
        allow_soft_placement=True,  # text stays on the CPU
        device_count={} if tf.config.get_visible_devices("GPU") else {"GPU": 0},
    )
    config.gpu_options.allow_growth = True
    rewrites = config.graph_options.rewrite_options
    rewrites.meta_optimizer_iterations = RewriterConfig.ONE  # a second finds no more
    if bfloat16:  # grappler puts it where it pays: convolutions, products of matrices
        rewrites.auto_mixed_precision_onednn_bfloat16 = RewriterConfig.ON
    session = tf.compat.v1.Session(graph=graph.graph, config=config)
    session.run(graph.fill)
    # Session.make_callable is its public kin; it takes 0.1 ms more of Python a call.
    call = session._make_callable_from_options(
        CallableOptions(feed=graph.inputs, fetch=graph.outputs)
    )
    return session, call


def _call_eagerly(function: Any, device: str) -> Call:
    def call(*arrays: Any) -> list[Any]:
        with tf.device(device):
            outputs = function(*[tf.constant(array) for array in arrays])
            return [output.numpy() for output in outputs]

    return call


def _check_signature(name: str, signature: Signature, saved: Mapping[str, Any]) -> None:
    expected = {spec.name: spec.dtype for spec in signature.inputs}
    received = {key: spec.dtype.name for key, spec in saved.items()}
    if expected != received:
        raise SignatureError(
            f"signature {name}: the manifest says {expected}, the SavedModel {received}"
        )


def _example(spec: TensorSpec, size: int) -> np.ndarray[Any, Any]:
    """Zeros, or empty strings, of this input's form; a free dimension becomes 1."""
    shape = [size, *(dim or 1 for dim in spec.shape[1:])]
    if spec.dtype == "string":
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, dtype=spec.dtype)

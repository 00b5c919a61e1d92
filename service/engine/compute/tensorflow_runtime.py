"""Where TensorFlow computes: device, loading, warming, running.

    SavedModel ─▶ trace, any number of rows ─▶ constants for variables ─▶ session

The constants are made in `graph`. A session of its own gives every signature its own
threads, computes in the thread that asks, and costs half of what calling a
`tf.function` does. docs/performance.md has the figures.
"""

import logging
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of TensorFlow's own C++
# Else all sessions share the threads of the first, and what a light model hands to them
# waits behind what a heavy one has handed over.
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"

import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from service.contract.compilation import Precision
from service.contract.contract import Contract, as_contract
from service.contract.manifest import Manifest
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Tensors
from service.engine.compute.graph_files import write_graphs
from service.engine.compute.precision import agree, draw_rows, has_bfloat16
from service.engine.compute.session_model import (
    CALLERS_THREAD,
    HEAVY_BYTES,
    Call,
    SessionModel,
)
from service.engine.compute.tensorflow_graph import Graph, freeze
from service.processes.cores import available_cores

logger = logging.getLogger(__name__)


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
        self.precision = precision
        self._can_round = not gpus and has_bfloat16()
        self._check(precision)

    def load(
        self,
        folder: Path,
        contract: Contract | Manifest,
        precision: Precision | None = None,
    ) -> "TensorFlowModel":
        """Load a version and open all its signatures; `warm` it before use.

        Args:
            folder: Where it lies.
            contract: What it promises.
            precision: In place of the one that holds for all models.
        """
        self._check(precision)
        wanted = precision or self.precision
        rounds = wanted == "bfloat16" and self._can_round
        with tf.device("/CPU:0"):  # weights become constants before they move
            saved = tf.saved_model.load(str(folder))
        threads = (self.threads, self.heavy_threads)
        return TensorFlowModel(
            saved, contract, self.device, *threads, rounds=rounds, folder=folder
        )

    def start(self) -> None:
        """Nothing: it is ready when it is made."""

    def release(self) -> None:
        """Nothing: it holds nothing but its versions."""

    def _check(self, precision: Precision | None) -> None:
        if precision == "bfloat16" and not self._can_round:
            logger.warning("bfloat16: expected a CPU that has it; staying in float32")


class TensorFlowModel(SessionModel):
    """One version in memory, with a session for every signature.

    Args:
        saved_model: What `tf.saved_model.load` gave.
        contract: What it promises.
        device: `/CPU:0` or `/GPU:0`.
        threads: Threads that one batch may use on the CPU.
        heavy_threads: The same if its weights are more than `HEAVY_BYTES`.
        rounds: Whether it may compute in bfloat16, where it agrees with itself in it.
        folder: Where it lies; warm-up requests may lie with it.

    Raises:
        SignatureError: The SavedModel is not what the contract says.

    Attributes: see `SessionModel`.
    """

    def __init__(
        self,
        saved_model: Any,
        contract: Contract | Manifest,
        device: str,
        threads: int = 1,
        heavy_threads: int = 1,
        *,
        rounds: bool = False,
        folder: Path | None = None,
    ):
        super().__init__(as_contract(contract), {}, tf.errors.OpError, folder)
        self._traces = 0
        self._graphs: dict[str, Graph] = {}
        for name, signature in self.contract.signatures.items():
            function = self._trace(saved_model.signatures[name], name, signature)
            graph = None
            try:
                if not self.contract.stateful:
                    graph = freeze(function, device)
            except (ValueError, tf.errors.OpError) as error:
                logger.info("%s %s is not constant: %s", contract.name, name, error)
            if graph is None:
                self._owner = saved_model  # of the variables that it goes on to use
                self._calls[name] = _call_eagerly(function, device)
                continue
            self._graphs[name] = graph
            most = heavy_threads if graph.size > HEAVY_BYTES else threads
            largest = max(self.contract.sizes(name))
            rows = draw_rows(signature, largest) if rounds else None
            session, call, rounded = _open(graph, most, rows)
            weakref.finalize(self, session.close)
            self._calls[name] = call
            if rounded:
                self.bfloat16.append(name)

    @property
    def traces(self) -> int:
        """How often a function was traced; never grows after loading."""
        return self._traces

    def save(self, folder: Path) -> None:
        """Write its graphs, for `TensorFlowLibrary` to open.

        Raises:
            ValueError: It has one that is not constant or may keep what it is given, or
                computes in bfloat16.
            OSError: The folder cannot be written.
        """
        if self.bfloat16 or self._graphs.keys() != self.contract.signatures.keys():
            raise ValueError("expected graphs that are constant, in float32")
        for name, graph in self._graphs.items():
            if graph.keepers:
                kept = f"expected nothing that is kept, received {graph.keepers}"
                raise ValueError(f"{name}: {kept}")
        write_graphs(folder, self._graphs)

    def _trace(self, saved: Any, name: str, signature: Signature) -> Any:
        """A concrete function: inputs by position, outputs as a list."""
        _check_signature(name, signature, saved.structured_input_signature[1])
        names = [spec.name for spec in signature.inputs]
        outputs = [spec.name for spec in signature.outputs]

        def call(*tensors: Any) -> list[Any]:
            self._traces += 1
            results = saved(**dict(zip(names, tensors, strict=True)))
            return [results[output] for output in outputs]

        batches = self.contract.batches(name)
        specs = [_tensor_spec(spec, batches=batches) for spec in signature.inputs]
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
            f"signature {name}: the contract says {expected}, the SavedModel {received}"
        )


def _tensor_spec(spec: TensorSpec, *, batches: bool) -> Any:
    """TensorFlow's word for an input; of rows that are batched there are any number."""
    if spec.any_rank:
        return tf.TensorSpec(None, spec.dtype)
    shape = [None, *spec.shape[1:]] if batches else spec.shape
    return tf.TensorSpec(shape, spec.dtype)

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

from service.contract.compilation import Precision
from service.contract.contract import Contract, as_contract
from service.contract.dtypes import numpy_dtype
from service.contract.inputs import arrange
from service.contract.manifest import Manifest
from service.contract.signature import Signature, TensorSpec
from service.contract.warmup import WarmupError, read_warmup
from service.engine.batching.tensors import Tensors
from service.engine.compute.example_errors import explain
from service.engine.compute.precision import agree, draw_rows, has_bfloat16
from service.engine.compute.tensorflow_graph import Graph, freeze
from service.errors import InvalidInput, ServeryError
from service.processes.cores import available_cores

logger = logging.getLogger(__name__)

HEAVY_BYTES = 20_000_000  # of weights: more than the processor's caches hold
FREE_SIDES = (1, 32, 224)  # tried in turn for what an input leaves free
OTHER_LENGTH = "its outputs have another length than its inputs"
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


class TensorFlowModel:
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

    Attributes:
        contract: What it promises; after `warm`, with what was found to be otherwise.
        bfloat16: Signatures that compute in it.
        divided: None: batches are computed whole.
    """

    in_process = alive = True
    divided = ()

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
        self._folder = folder
        self.contract = as_contract(contract)
        self._traces = 0
        self.bfloat16: list[str] = []
        self._calls: dict[str, Call] = {}
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

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute in this thread; see `Model.run`."""
        try:
            return tuple(map(_as_array, self._calls[signature](*tensors)))
        except tf.errors.InvalidArgumentError as error:
            if (fault := explain(error.message)) is None:
                raise
            raise InvalidInput(fault) from error

    def warm(self) -> float:
        """Run every signature at every batch size, and return the seconds it took.

        What keeps state is not run: callers would see that it was. A signature whose
        outputs have another length than its inputs is found out here, and does not
        batch from now on. Then the model's own warm-up requests are run.

        Raises:
            WarmupError: These cannot be read, or fail.
        """
        began = time.perf_counter()
        for name, signature in self.contract.signatures.items():
            if name in self.contract.stateful:
                continue
            sizes = self.contract.sizes(name) if self.contract.batches(name) else (1,)
            for size in sizes:
                if not self._warm(name, signature, size):
                    break
        if self._folder is not None:
            self._run_requests(self._folder)
        return time.perf_counter() - began

    def _warm(self, name: str, signature: Signature, size: int) -> bool:
        """Run a signature once, and say whether it is worth running at other sizes."""
        error: Exception | None = None
        for side in FREE_SIDES:
            examples = tuple(_example(spec, size, side) for spec in signature.inputs)
            try:
                outputs = self.run(name, examples)
            except (
                tf.errors.OpError,
                InvalidInput,
            ) as reason:  # zeros of this size are not for it
                error = reason
                continue
            lengths = {output.shape[:1] for output in outputs}
            if self.contract.batches(name) and lengths != {(size,)}:
                self.contract = self.contract.without_batching(name, OTHER_LENGTH)
                return False
            return True
        logger.warning(
            "%s %s could not be warmed up: %s", self.contract.name, name, error
        )
        return False

    def _run_requests(self, folder: Path) -> None:
        """Run the warm-up requests in a folder, but for what keeps state."""
        for number, (name, inputs) in enumerate(read_warmup(folder), start=1):
            if name in self.contract.stateful:
                continue
            try:
                self.run(name, arrange(self.contract, name, inputs))
            except (ServeryError, tf.errors.OpError) as error:
                raise WarmupError(f"warm-up request {number}: {error}") from error

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


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    """What a session gives, which for a scalar is no array."""
    if isinstance(value, bytes):
        return np.array(value, dtype=object)
    return np.asarray(value)


def _tensor_spec(spec: TensorSpec, *, batches: bool) -> Any:
    """TensorFlow's word for an input; of rows that are batched there are any number."""
    if spec.any_rank:
        return tf.TensorSpec(None, spec.dtype)
    shape = [None, *spec.shape[1:]] if batches else spec.shape
    return tf.TensorSpec(shape, spec.dtype)


def _example(spec: TensorSpec, size: int, side: int) -> np.ndarray[Any, Any]:
    """Zeros, or empty strings, of this input's form.

    Args:
        spec: The input.
        size: Rows, where the first dimension is free.
        side: Of every other dimension that is free.
    """
    if spec.any_rank:
        shape = [size]
    else:
        shape = [side if dim is None else dim for dim in spec.shape]
        if spec.has_rows:
            shape[0] = size
    if spec.dtype == "string":
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, dtype=numpy_dtype(spec.dtype))

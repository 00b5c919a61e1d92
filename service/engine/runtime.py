"""The only room where TensorFlow is imported: device, loading, warming, running.

Each signature is traced once, for any number of rows, and its variables become
constants of the graph: TensorFlow then folds what follows from them, normalisation into
convolutions above all, and lays weights out for the processor once instead of in every
batch. Every batch size is run before callers come, so that nothing is prepared while
they wait.
"""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of TensorFlow's own C++

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from service.engine.rows import Rows
from service.manifest import Manifest, Signature, TensorSpec

logger = logging.getLogger(__name__)


# TensorFlow's threads that hand out operations. With one, those of a heavy model and
# a light one run in turn: 75 times the latency for the light one, where three let the
# kernel share the cores: twice. More only spread one request over more threads.
MODELS_AT_ONCE = 3


class SignatureError(ValueError):
    """The SavedModel does not have the signature that its manifest promises."""


class Runtime:
    """The device and its threads. One a process, made before any model is loaded.

    Args:
        device: `auto` takes a GPU where TensorFlow finds one.
        threads: Threads that one batch may use on the CPU.

    Raises:
        RuntimeError: A GPU was asked for and there is none.
    """

    def __init__(self, device: Literal["auto", "cpu", "gpu"], threads: int):
        gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
        if device == "gpu" and not gpus:
            raise RuntimeError("device: expected a GPU, TensorFlow finds none")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(MODELS_AT_ONCE)
        self.device = "/GPU:0" if gpus else "/CPU:0"
        self.threads = threads

    def load(self, folder: Path, manifest: Manifest) -> "LoadedModel":
        """Load a version and trace all its batch sizes; `warm` it before use."""
        with tf.device(self.device):
            return LoadedModel(tf.saved_model.load(str(folder)), manifest, self.device)


class LoadedModel:
    """One version in memory, with a concrete function for each signature."""

    def __init__(self, saved_model: Any, manifest: Manifest, device: str):
        self._saved_model = saved_model  # owns variables and lookup tables
        self._device = device
        self._manifest = manifest
        self._traces = 0
        self._functions = {
            name: self._trace(name, signature)
            for name, signature in manifest.signatures.items()
        }

    @property
    def traces(self) -> int:
        """How often a function was traced; never grows after loading."""
        return self._traces

    def run(self, signature: str, rows: Rows) -> Rows:
        """Compute one batch.

        Args:
            signature: One of the manifest's.
            rows: As many rows as one of the manifest's batch sizes.

        Returns:
            The signature's outputs, in its order.
        """
        function = self._functions[signature]
        with tf.device(self._device):
            outputs = function(*[tf.constant(array) for array in rows])
            return tuple(output.numpy() for output in outputs)

    def warm(self) -> float:
        """Run every signature at every batch size, and return the seconds it took."""
        began = time.perf_counter()
        for name, signature in self._manifest.signatures.items():
            for size in self._manifest.batch_sizes:
                self.run(name, tuple(_example(spec, size) for spec in signature.inputs))
        return time.perf_counter() - began

    def _trace(self, name: str, signature: Signature) -> Any:
        """A concrete function: inputs by position, outputs as a list."""
        saved = self._saved_model.signatures[name]
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
        traced = tf.function(call, autograph=False).get_concrete_function(*specs)
        return _freeze(traced, specs)


def _freeze(traced: Any, specs: list[Any]) -> Any:
    """The same function with constants for variables, where it has nothing but these.

    Lookup tables cannot become constants.
    """
    if len(traced.captured_inputs) > len(traced.variables):
        return traced
    frozen = convert_variables_to_constants_v2(traced)
    return tf.function(
        lambda *tensors: frozen(*tensors), autograph=False
    ).get_concrete_function(*specs)


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

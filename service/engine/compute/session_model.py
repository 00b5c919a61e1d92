"""A version whose graphs TensorFlow's kernels compute.

Python's TensorFlow opens them in `tensorflow_runtime`, its C library alone in
`tensorflow_library`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.contract.contract import Contract
from service.contract.dtypes import numpy_dtype
from service.contract.inputs import arrange
from service.contract.signature import Signature, TensorSpec
from service.contract.warmup import WarmupError, read_warmup
from service.engine.batching.tensors import Tensors
from service.engine.compute.example_errors import explain
from service.errors import InvalidInput, ServeryError

logger = logging.getLogger(__name__)

HEAVY_BYTES = 20_000_000  # of weights: more than the processor's caches hold
CALLERS_THREAD = -1  # TensorFlow's word for handing operations to no other thread
FREE_SIDES = (1, 32, 224)  # tried in turn for what an input leaves free
OTHER_LENGTH = "its outputs have another length than its inputs"

Call = Callable[..., Sequence[Any]]
"""An array for each input to an array for each output, in the manifest's order."""


class SessionModel:
    """One version in memory, with a session for every signature.

    Args:
        contract: What it promises.
        calls: By signature.
        errors: What these raise, with TensorFlow's words as `message`.
        folder: Where the version lies; warm-up requests may lie with it.

    Attributes:
        contract: What it promises; after `warm`, with what was found to be otherwise.
        bfloat16: Signatures that compute in it.
        divided: None: batches are computed whole.
    """

    in_process = alive = True
    divided = ()

    def __init__(
        self,
        contract: Contract,
        calls: dict[str, Call],
        errors: type[Exception],
        folder: Path | None = None,
    ):
        self.contract, self._folder = contract, folder
        self._calls, self._errors = calls, errors
        self.bfloat16: list[str] = []

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute in this thread; see `Model.run`."""
        try:
            return tuple(map(_as_array, self._calls[signature](*tensors)))
        except self._errors as error:
            if (fault := explain(getattr(error, "message", ""))) is None:
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
                self._errors,
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
            except (ServeryError, self._errors) as error:
                raise WarmupError(f"warm-up request {number}: {error}") from error


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    """What a session gives, which for a scalar is no array."""
    if isinstance(value, bytes):
        return np.array(value, dtype=object)
    return np.asarray(value)


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

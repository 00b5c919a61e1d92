"""Where OpenVINO computes: a version compiled for this processor, without TensorFlow.

    SavedModel ─▶ OpenVINO's graph ─┬▶ compiled for 1 row  ─┐
       (one a signature)            ├▶ …  for 2 rows        ├▶ requests, taken in turns
                                    └▶ …  for the most      ─┘

A shape that is fixed computes faster than a free one, by 15 to 50 %, and memory grows
with every new shape that a free one meets. So there is one for each batch size; of a
heavy version, whose weights each of them lays out anew, there is one for a single row.
"""

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

# Its tools convert models of other makes, and report that to its makers. We use none of
# them; OpenVINO does without where they cannot be imported, in half of the time.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]

import numpy as np
import openvino as ov
from openvino import properties
from openvino.properties import hint

from service.contract.contract import Contract
from service.contract.dtypes import dtype_name
from service.contract.saved_model import (
    FILENAME,
    name_output,
    with_one_signature,
)
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import (
    Tensors,
    count_rows,
    merge_rows,
    slice_rows,
)

HEAVY_BYTES = 20_000_000  # of weights: more than the processor's caches hold
LANES = 2  # batches of a light version that are computed at once, each by one thread
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "Summary:")
MOST_CHARACTERS = 200
RANDOM = frozenset({"Multinomial", "RandomUniform"})
WHOLE = 0  # in place of a batch size, of what is not batched


class CannotCompile(ValueError):
    """A version that OpenVINO does not take; the message says why."""


class OpenVINORuntime:
    """Compiles versions, and loads what was compiled. One a process.

    Args:
        threads: Threads for one batch of a heavy version; a light one's has one.
    """

    def __init__(self, threads: int):
        self._core = ov.Core()
        self._threads = threads

    def compile(self, folder: Path, contract: Contract, cache: Path) -> None:
        """Compile all signatures of a version at all batch sizes.

        Args:
            folder: Where it lies.
            contract: What it promises.
            cache: A folder, which `load` finds them in.

        Raises:
            CannotCompile: It is none that OpenVINO can compute.
            OSError: The folder cannot be written.
        """
        for number, (name, signature) in enumerate(contract.signatures.items()):
            try:
                with _alone(folder, name, cache) as saved:
                    graph = self._core.read_model(saved)
                    _check_random(graph)
                    if _count_bytes(graph) > HEAVY_BYTES:
                        _save(graph, cache / f"{number}.xml")
                        continue
                for size in _sizes(contract, name):
                    blob = self._fix(graph, signature, size).export_model()
                    (cache / f"{number}-{size}.blob").write_bytes(blob.getvalue())
            except RuntimeError as error:
                raise CannotCompile(_summarise(error)) from error

    def load(self, contract: Contract, cache: Path) -> "OpenVINOModel":
        """Load what was compiled of a version.

        Args:
            contract: What it promises.
            cache: The folder that it was compiled into.

        Raises:
            CannotCompile: It is not what it should be.
            OSError: It is not there.
        """
        compiled = {}
        for number, (name, signature) in enumerate(contract.signatures.items()):
            try:
                found = self._load(contract, name, cache, number)
            except RuntimeError as error:
                raise CannotCompile(_summarise(error)) from error
            compiled[name] = {
                size: Compiled(each, signature) for size, each in found.items()
            }
        return OpenVINOModel(contract, compiled)

    def _load(
        self, contract: Contract, name: str, cache: Path, number: int
    ) -> dict[int, ov.CompiledModel]:
        """One signature at every size; of a heavy one, which is only read, at one."""
        heavy = cache / f"{number}.xml"
        sizes = _sizes(contract, name)
        if heavy.exists():
            graph = self._core.read_model(heavy)
            size = WHOLE if WHOLE in sizes else 1
            fixed = self._fix(graph, contract.signatures[name], size, heavy=True)
            return {size: fixed}
        blobs = {size: cache / f"{number}-{size}.blob" for size in sizes}
        return {
            size: self._core.import_model(blob.read_bytes(), "CPU", self._config())
            for size, blob in blobs.items()
        }

    def _fix(
        self, graph: ov.Model, signature: Signature, size: int, *, heavy: bool = False
    ) -> ov.CompiledModel:
        """Compiled for one size."""
        model = graph.clone()
        model.reshape({spec.name: _shape(spec, size) for spec in signature.inputs})
        return self._core.compile_model(model, "CPU", self._config(heavy=heavy))

    def _config(self, *, heavy: bool = False) -> dict[str, object]:
        """Threads are said, for OpenVINO sees cores that a container may not use.

        And precision, for it takes a lesser one by itself where the processor has it.
        """
        return {
            hint.inference_precision: ov.Type.f32,
            hint.enable_cpu_pinning: False,  # models would share one core
            properties.num_streams: 1 if heavy else LANES,
            properties.inference_num_threads: self._threads if heavy else LANES,
        }


class Compiled:
    """One signature at one size.

    Args:
        model: What OpenVINO has made of it.
        signature: See there.

    Raises:
        CannotCompile: It computes in another precision than it was told to.
    """

    def __init__(self, model: ov.CompiledModel, signature: Signature):
        precision = model.get_property(hint.inference_precision)
        if precision != ov.Type.f32:
            raise CannotCompile(f"it would compute in {precision.to_string()}")
        self._model = model
        inputs, found = _positions(model.inputs), _positions(model.outputs)
        self._inputs = [inputs.get(spec.name) for spec in signature.inputs]
        try:
            names = {spec.name for spec in signature.inputs}
            self._outputs = [
                found[name_output(spec.name, names)] for spec in signature.outputs
            ]
        except KeyError as error:
            raise CannotCompile(f"it has no output {error}") from error
        for spec, at in zip(signature.outputs, self._outputs, strict=True):
            dtype = dtype_name(np.dtype(model.outputs[at].element_type.to_dtype()))
            if dtype != spec.dtype:
                raise CannotCompile(f"{spec.name} would be {dtype}, not {spec.dtype}")
        self._idle: list[_Request] = []

    def run(self, tensors: Tensors) -> Tensors:
        """Compute; whoever else does so meanwhile has another request."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._make_request()
        for here, array in zip(request.inputs, tensors, strict=True):
            if here is not None:
                np.copyto(here, array, casting="no")
        infer = request.infer_request
        infer.infer(share_outputs=True)  # with arguments it costs 0.08 ms more
        outputs = tuple(
            [np.array(infer.get_output_tensor(at).data) for at in self._outputs]
        )
        self._idle.append(request)
        return outputs

    def _make_request(self) -> "_Request":
        made = self._model.create_infer_request()
        inputs = [
            None if at is None else made.get_input_tensor(at).data
            for at in self._inputs
        ]
        return _Request(made, inputs)


class _Request(NamedTuple):
    """What computes one batch at a time, and where its inputs are written."""

    infer_request: ov.InferRequest
    inputs: list[np.ndarray[Any, Any] | None]


class OpenVINOModel:
    """One version in memory.

    Attributes:
        contract: What it promises.
        in_process: It computes here, so a quick batch may run in the event loop.
        alive: As long as this process is.
    """

    in_process = alive = True

    def __init__(
        self, contract: Contract, compiled: Mapping[str, Mapping[int, Compiled]]
    ):
        self.contract = contract
        self._compiled = compiled

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute a batch of one of the contract's sizes, or what is not batched."""
        size = count_rows(tensors) if self.contract.batches(signature) else WHOLE
        compiled = self._compiled[signature]
        if size in compiled:
            return compiled[size].run(tensors)
        rows = (slice_rows(tensors, row, row + 1) for row in range(size))
        return merge_rows([compiled[1].run(row) for row in rows])

    def warm(self) -> float:
        """Run every signature at every size once, for what is made at the first run."""
        began = time.perf_counter()
        for name, signature in self.contract.signatures.items():
            for size, compiled in self._compiled[name].items():
                compiled.run(
                    tuple(
                        np.zeros(_shape(spec, size), spec.dtype)
                        for spec in signature.inputs
                    )
                )
        return time.perf_counter() - began


def _positions(ports: Iterable[Any]) -> dict[str, int]:
    """Of inputs or outputs, by each of their names."""
    return {name: at for at, port in enumerate(ports) for name in port.names}


def _shape(spec: TensorSpec, size: int) -> list[int]:
    sizes = [dim or 0 for dim in spec.shape]
    return sizes if size == WHOLE else [size, *sizes[1:]]


def _sizes(contract: Contract, name: str) -> tuple[int, ...]:
    return contract.sizes(name) if contract.batches(name) else (WHOLE,)


def _save(graph: ov.Model, path: Path) -> None:
    try:
        ov.save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as error:  # of a stream: it has read the graph before
        raise OSError(f"{path.name} cannot be written: {error}") from error


def _check_random(graph: ov.Model) -> None:
    """Refuse what has no answer to be compared by, however seldom that shows."""
    found = RANDOM.intersection(op.get_type_name() for op in graph.get_ops())
    if found:
        raise CannotCompile(f"it draws at random: {', '.join(sorted(found))}")


def _count_bytes(graph: ov.Model) -> int:
    """Of its constants, nearly all of which are weights."""
    constants = (op for op in graph.get_ops() if op.get_type_name() == "Constant")
    return sum(op.get_byte_size() for op in constants)


@contextmanager
def _alone(folder: Path, signature: str, place: Path) -> Iterator[Path]:
    """The SavedModel with one signature, for OpenVINO reads the default one alone."""
    with tempfile.TemporaryDirectory(prefix="one-", dir=place) as name:
        copy = Path(name)
        content = with_one_signature(folder / FILENAME, signature)
        (copy / FILENAME).write_bytes(content)
        for part in ("variables", "assets"):
            if (folder / part).is_dir():
                (copy / part).symlink_to((folder / part).absolute())
        yield copy


def _summarise(error: Exception) -> str:
    """The line that says why, of the many that OpenVINO says."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(NOISE)]
    named = [line for line in told if "operations:" in line]
    return (named or told or ["it cannot be read"])[0][:MOST_CHARACTERS]

"""Where OpenVINO computes: a version compiled for this processor, without TensorFlow.

    SavedModel ─▶ OpenVINO's graph ─┬▶ compiled for 1 row  ─┐
       (one a signature)            ├▶ …  for 2 rows        ├▶ requests, taken in turns
                                    └▶ …  for the most      ─┘

A shape that is fixed computes faster than a free one, by 15 to 50 %, and memory grows
with every new shape that a free one meets. So there is one for each batch size, up to
what the processor's caches hold of all that is computed on the way: a larger batch is
no faster than its parts. A heavy version, whose weights each of them lays out anew, has
one for a single row.

What was compiled is mapped, not read: pages that are needed no more once weights are
laid out go back to the system.
"""

import math
import mmap
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

# Its tools convert models of other makes, and report that to its makers. We use none of
# them; OpenVINO does without where they cannot be imported, in half of the time.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]

import numpy as np
import openvino as ov
from openvino import opset8, properties
from openvino.frontend.tensorflow import ConversionExtension
from openvino.properties import hint

from service.contract.compilation import Precision
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
MOST_BYTES = 20_000_000  # computed on the way from a batch to its answer: as above
LANES = 2  # batches that are computed at once, each by one thread, unless rows go alone
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "Summary:")
MOST_CHARACTERS = 200
RANDOM = frozenset({"Multinomial", "RandomUniform"})
TYPES: dict[Precision, ov.Type] = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}
MADV_PAGEOUT = 21  # Linux 5.4 and later; Python has no name for it
ABILITY = "BF16"  # as OpenVINO names that of the processor
WHOLE = 0  # in place of a batch size, of what is not batched


class CannotCompile(ValueError):
    """A version that OpenVINO does not take; the message says why."""


class OpenVINORuntime:
    """Compiles versions, and loads what was compiled. One a process.

    Args:
        threads: Threads for a row that is computed alone; a batch has one.
    """

    def __init__(self, threads: int):
        self._core = ov.Core()
        self._threads = threads

    def compile(
        self,
        folder: Path,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> None:
        """Compile signatures of a version at all batch sizes.

        Args:
            folder: Where it lies.
            contract: What it promises.
            cache: A folder, which `load` finds them in.
            precisions: By signature; others are left out. None = all, in float32.

        Raises:
            CannotCompile: It is none that OpenVINO can compute.
            OSError: The folder cannot be written.
        """
        if precisions is None:
            precisions = dict.fromkeys(contract.signatures, "float32")
        self._check_able(precisions)
        self._core.add_extension(ConversionExtension("ReverseV2", _reverse))
        for number, (name, signature) in enumerate(contract.signatures.items()):
            if name not in precisions:
                continue
            precision = precisions[name]
            try:
                with _alone(folder, name, cache) as saved:
                    graph = self._core.read_model(saved)
                    _check_random(graph)
                    if _count_bytes(graph) > HEAVY_BYTES:
                        _save(graph, cache / f"{number}.xml")  # in either precision
                        continue
                sizes = _fitting(contract, name, graph)
                alone = _is_alone(contract, name, sizes)
                for size in sizes:
                    made = self._fix(graph, signature, size, precision, alone=alone)
                    path = _blob(cache, number, size, precision)
                    path.write_bytes(made.export_model().getvalue())
            except RuntimeError as error:
                raise CannotCompile(_summarise(error)) from error

    def load(
        self,
        contract: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> "OpenVINOModel":
        """Load what was compiled of a version.

        Args:
            contract: What it promises.
            cache: The folder that it was compiled into.
            precisions: By signature; float32 of others.

        Raises:
            CannotCompile: It is not what it should be.
            OSError: It is not there.
        """
        compiled, wanted = {}, precisions or {}
        self._check_able(wanted)
        for number, (name, signature) in enumerate(contract.signatures.items()):
            precision = wanted.get(name, "float32")
            try:
                found = self._load(contract, name, cache, number, precision)
            except RuntimeError as error:
                raise CannotCompile(_summarise(error)) from error
            compiled[name] = {
                size: Compiled(made, signature, precision, file)
                for size, (made, file) in found.items()
            }
        return OpenVINOModel(contract, compiled)

    def _load(
        self,
        contract: Contract,
        name: str,
        cache: Path,
        number: int,
        precision: Precision,
    ) -> dict[int, tuple[ov.CompiledModel, "MappedFile"]]:
        """One signature at every size, or for a row; a heavy one was only read."""
        heavy = cache / f"{number}.xml"
        sizes = _sizes(contract, name)
        if heavy.exists():
            file = MappedFile(heavy.with_suffix(".bin"))
            graph = self._core.read_model(heavy.read_bytes(), file.tensor)
            signature = contract.signatures[name]
            size = WHOLE if WHOLE in sizes else 1
            made = self._fix(graph, signature, size, precision, alone=True)
            return {size: (made, file)}
        blobs = {size: _blob(cache, number, size, precision) for size in sizes}
        blobs = {size: blob for size, blob in blobs.items() if blob.exists()}
        if not blobs:
            raise FileNotFoundError(f"{name} is not in {cache}")
        config = self._config(precision, alone=_is_alone(contract, name, blobs))
        files = {size: MappedFile(blob) for size, blob in blobs.items()}
        return {
            size: (self._core.import_model(file.tensor, "CPU", config), file)
            for size, file in files.items()
        }

    def _fix(
        self,
        graph: ov.Model,
        signature: Signature,
        size: int,
        precision: Precision,
        *,
        alone: bool = False,
    ) -> ov.CompiledModel:
        """Compiled for one size."""
        model = graph.clone()
        model.reshape({spec.name: _shape(spec, size) for spec in signature.inputs})
        config = self._config(precision, alone=alone)
        return self._core.compile_model(model, "CPU", config)

    def _check_able(self, precisions: Mapping[str, Precision]) -> None:
        """Refuse what OpenVINO would take for a wish, and compute in float32."""
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "bfloat16" in precisions.values() and ABILITY not in able:
            raise CannotCompile("OpenVINO has no bfloat16 on this processor")

    def _config(
        self, precision: Precision, *, alone: bool = False
    ) -> dict[str, object]:
        """Threads are said, for OpenVINO sees cores that a container may not use.

        And precision, for it takes a lesser one by itself where the processor has it.
        """
        return {
            hint.inference_precision: TYPES[precision],
            hint.enable_cpu_pinning: False,  # models would share one core
            properties.num_streams: 1 if alone else LANES,
            properties.inference_num_threads: self._threads if alone else LANES,
        }


class MappedFile:
    """A file in the cache, of which only those pages are in memory that are needed.

    Args:
        path: Where it is.

    Attributes:
        tensor: Its bytes. What OpenVINO makes of them needs this as long as it lives.

    Raises:
        CannotCompile: It is empty.
    """

    def __init__(self, path: Path):
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise CannotCompile(f"{path.name} is empty")
            self._mapping = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE)
        content = np.frombuffer(self._mapping, np.uint8)
        self.tensor = ov.Tensor(content, shared_memory=True)

    def release(self) -> None:
        """Give its pages back to the system, which reads again what is asked for."""
        with suppress(OSError):
            self._mapping.madvise(MADV_PAGEOUT)


class Compiled:
    """One signature at one size.

    Args:
        model: What OpenVINO has made of it.
        signature: See there.
        precision: What it was told to compute in.
        file: What its weights are in.

    Raises:
        CannotCompile: It computes in another one.
    """

    def __init__(
        self,
        model: ov.CompiledModel,
        signature: Signature,
        precision: Precision = "float32",
        file: MappedFile | None = None,
    ):
        found = model.get_property(hint.inference_precision)
        if found != TYPES[precision]:
            raise CannotCompile(
                f"expected {precision}, it would compute in {found.to_string()}"
            )
        self.precision = precision
        self._model = model
        inputs, outputs = _positions(model.inputs), _positions(model.outputs)
        self._inputs = [inputs.get(spec.name) for spec in signature.inputs]
        try:
            names = {spec.name for spec in signature.inputs}
            self._outputs = [
                outputs[name_output(spec.name, names)] for spec in signature.outputs
            ]
        except KeyError as error:
            raise CannotCompile(f"it has no output {error}") from error
        for spec, at in zip(signature.outputs, self._outputs, strict=True):
            dtype = dtype_name(np.dtype(model.outputs[at].element_type.to_dtype()))
            if dtype != spec.dtype:
                raise CannotCompile(f"{spec.name} would be {dtype}, not {spec.dtype}")
        self._idle: list[_Request] = []
        self._file = file  # the last, which goes last
        if file is not None:
            file.release()

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
        bfloat16: Signatures that compute in it.
        divided: Signatures whose large batches are computed in parts.
    """

    in_process = alive = True

    def __init__(
        self, contract: Contract, compiled: Mapping[str, Mapping[int, Compiled]]
    ):
        self.contract = contract
        self._compiled = compiled
        self.divided = tuple(
            name
            for name, sizes in compiled.items()
            if contract.batches(name) and {*sizes} != {*contract.sizes(name)}
        )
        self.bfloat16 = tuple(
            name
            for name, sizes in compiled.items()
            if any(each.precision == "bfloat16" for each in sizes.values())
        )

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        """Compute a batch of one of the contract's sizes, or any; see `Model`."""
        size = count_rows(tensors) if self.contract.batches(signature) else WHOLE
        compiled = self._compiled[signature]
        if size in compiled:
            return compiled[size].run(tensors)
        return merge_rows(
            [
                compiled[count].run(slice_rows(tensors, first, first + count))
                for first, count in _divide(size, compiled)
            ]
        )

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


def _reverse(node: Any) -> list[ov.Output]:
    """What turns a tensor round along any number of axes; OpenVINO's own takes one."""
    tensor = node.get_input(0)
    rank = tensor.get_partial_shape().rank.get_length()
    steps = np.ones(rank, np.int64)
    steps[node.get_input(1).get_node().get_vector()] = -1
    ends, ignored = np.zeros(rank, np.int64), [1] * rank
    turned = opset8.strided_slice(tensor, ends, ends, steps, ignored, ignored)
    return list(turned.outputs())


def _positions(ports: Iterable[Any]) -> dict[str, int]:
    """Of inputs or outputs, by each of their names."""
    return {name: at for at, port in enumerate(ports) for name in port.names}


def _shape(spec: TensorSpec, size: int) -> list[int]:
    sizes = [dim or 0 for dim in spec.shape]
    return sizes if size == WHOLE else [size, *sizes[1:]]


def _blob(cache: Path, number: int, size: int, precision: Precision) -> Path:
    """Where a signature is that was compiled for a size."""
    other = "" if precision == "float32" else f"-{precision}"
    return cache / f"{number}-{size}{other}.blob"


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


def _fitting(contract: Contract, name: str, graph: ov.Model) -> Collection[int]:
    """The sizes of batches of which the caches hold all that is computed on the way."""
    sizes = _sizes(contract, name)
    if WHOLE in sizes:
        return sizes
    row = _count_computed(graph, contract.signatures[name])
    fitting = tuple(size for size in sizes if size * row <= MOST_BYTES)
    return sizes if fitting == sizes else {1, *fitting}


def _is_alone(contract: Contract, name: str, sizes: Collection[int]) -> bool:
    """Whether rows are computed one by one, though batches could be."""
    return {*sizes} == {1} != {*_sizes(contract, name)}


def _divide(size: int, sizes: Collection[int]) -> Iterator[tuple[int, int]]:
    """The first row and the number of each part of a batch."""
    first = 0
    while first < size:
        count = max(each for each in sizes if each <= size - first)
        yield first, count
        first += count


def _count_computed(graph: ov.Model, signature: Signature) -> int:
    """Bytes of all that is computed of a row, where that is known beforehand."""
    model = graph.clone()
    model.reshape({spec.name: _shape(spec, 1) for spec in signature.inputs})
    made: Iterator[int] = (
        output.get_element_type().size * math.prod(output.get_shape())
        for op in model.get_ops()
        if op.get_type_name() != "Constant"
        for output in op.outputs()
        if output.get_partial_shape().is_static
    )
    return sum(made)


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

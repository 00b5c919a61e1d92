"""TensorFlow by its C library: the same kernels, without Python's TensorFlow.

    graph in a file ─▶ session ─▶ arrays in, arrays out

To import TensorFlow takes seconds and half a gigabyte, most of it for building and
training. To compute a graph that stands alone, its library is enough, which every
package of TensorFlow brings along; its functions are those of `tensorflow/c/c_api.h`.
"""

import ctypes
import importlib.util
import os
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import partial
from pathlib import Path
from typing import Any

# As for `tensorflow_runtime`: sessions have threads of their own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"

import numpy as np

from service.contract.contract import Contract
from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.tensor_proto import DTYPES, ENUMS
from service.contract.tensorflow_protos import load_module
from service.engine.compute.graph_files import GraphFile, read_graphs
from service.engine.compute.session_model import (
    CALLERS_THREAD,
    HEAVY_BYTES,
    Call,
    SessionModel,
)

LIBRARIES = {
    "linux": ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"),
    "darwin": ("libtensorflow_framework.2.dylib", "libtensorflow_cc.2.dylib"),
}
STRING_BYTES = 24  # of a `TF_TString`, in which a tensor has each of its strings
ALIGNMENT = 64  # bytes, at which TensorFlow would put it
MOST_DIGITS = 4  # of the number of an operation's output

_types = load_module("tensorflow.core.framework.types_pb2")
_config = load_module("tensorflow.core.protobuf.config_pb2")
_rewriter = load_module("tensorflow.core.protobuf.rewriter_config_pb2")


class LibraryError(RuntimeError):
    """What TensorFlow's library raised; `message` has its words."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class _Output(ctypes.Structure):
    """`TF_Output`: an output of an operation."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


_Deallocator = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)

_FUNCTIONS: dict[str, tuple[Any, ...]] = {  # result, arguments
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewBufferFromString": (c_void_p, c_char_p, c_size_t),
    "TF_DeleteBuffer": (None, c_void_p),
    "TF_NewGraph": (c_void_p,),
    "TF_DeleteGraph": (None, c_void_p),
    "TF_NewImportGraphDefOptions": (c_void_p,),
    "TF_DeleteImportGraphDefOptions": (None, c_void_p),
    "TF_GraphImportGraphDef": (None, c_void_p, c_void_p, c_void_p, c_void_p),
    "TF_GraphOperationByName": (c_void_p, c_void_p, c_char_p),
    "TF_NewSessionOptions": (c_void_p,),
    "TF_DeleteSessionOptions": (None, c_void_p),
    "TF_SetConfig": (None, c_void_p, c_char_p, c_size_t, c_void_p),
    "TF_NewSession": (c_void_p, c_void_p, c_void_p, c_void_p),
    "TF_CloseSession": (None, c_void_p, c_void_p),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_SessionRun": (
        None, c_void_p, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_int,
        c_void_p, c_int, c_void_p, c_void_p,
    ),
    "TF_NewTensor": (
        c_void_p, c_int, c_void_p, c_int, c_void_p, c_size_t, _Deallocator, c_void_p,
    ),
    "TF_AllocateTensor": (c_void_p, c_int, c_void_p, c_int, c_size_t),
    "TF_DeleteTensor": (None, c_void_p),
    "TF_TensorData": (c_void_p, c_void_p),
    "TF_TensorByteSize": (c_size_t, c_void_p),
    "TF_TensorType": (c_int, c_void_p),
    "TF_NumDims": (c_int, c_void_p),
    "TF_Dim": (c_int64, c_void_p, c_int),
    "TF_StringInit": (None, c_void_p),
    "TF_StringCopy": (None, c_void_p, c_char_p, c_size_t),
    "TF_StringDealloc": (None, c_void_p),
    "TF_StringGetDataPointer": (c_void_p, c_void_p),
    "TF_StringGetSize": (c_size_t, c_void_p),
}  # fmt: skip
QUICK = frozenset({
    "TF_AllocateTensor", "TF_Dim", "TF_GetCode", "TF_NumDims", "TF_StringCopy",
    "TF_StringDealloc", "TF_StringGetDataPointer", "TF_StringGetSize", "TF_StringInit",
    "TF_TensorByteSize", "TF_TensorData", "TF_TensorType",
})  # fmt: skip
"""Functions that are over before another thread could use the interpreter."""


class _Functions:
    """The library's functions, by their names."""

    def __init__(self, path: Path):
        releasing = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
        holding = ctypes.PyDLL(str(path), ctypes.RTLD_GLOBAL)
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(holding if name in QUICK else releasing, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.free_strings = _Deallocator(self._free_strings)
        self._spaces: dict[int, np.ndarray] = {}  # of tensors of strings, by place

    def make_strings(self, strings: Sequence[bytes]) -> int:
        """Where copies of these lie, until `free_strings` is called of it."""
        size = len(strings) * STRING_BYTES
        space = np.zeros(size + ALIGNMENT, np.uint8)
        first = place = space.ctypes.data + -space.ctypes.data % ALIGNMENT
        functions: Any = self
        for each in strings:
            functions.TF_StringInit(place)
            functions.TF_StringCopy(place, each, len(each))
            place += STRING_BYTES
        self._spaces[first] = space
        return first

    def _free_strings(self, first: int | None, size: int, _: Any) -> None:
        """Called when nothing refers to a tensor of strings any more."""
        if first is not None:
            functions: Any = self
            for place in range(first, first + size, STRING_BYTES):
                functions.TF_StringDealloc(place)
            self._spaces.pop(first, None)


class TensorFlowLibrary:
    """TensorFlow's C library, and the threads that it is given. One a process.

    Args:
        threads: Threads that one batch may use.
        heavy_threads: The same for a model of more than `HEAVY_BYTES`.

    Raises:
        OSError: It is not there.
    """

    def __init__(self, threads: int, heavy_threads: int):
        self._threads, self._heavy_threads = threads, heavy_threads
        found = importlib.util.find_spec("tensorflow")  # runs nothing of it
        names = LIBRARIES.get(sys.platform, ())
        if found is None or not found.submodule_search_locations or not names:
            raise FileNotFoundError("TensorFlow's library")
        folder = Path(found.submodule_search_locations[0])
        for name in names:  # the last one has the functions, and needs the others
            ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)
        self._library: Any = _Functions(folder / names[-1])

    def load(self, graphs: Path, contract: Contract, folder: Path) -> SessionModel:
        """Open a session for every signature of a version; `warm` it before use.

        Args:
            graphs: The folder in which its graphs lie, by `write_graphs`.
            contract: What it promises.
            folder: Where the version lies.

        Raises:
            OSError: They are not there.
            ValueError: They are others than the contract's.
            LibraryError: They cannot be opened.
        """
        files = read_graphs(graphs)
        if files.keys() != contract.signatures.keys():
            raise ValueError(f"{graphs}: expected {[*contract.signatures]}")
        calls: dict[str, Call] = {}
        sessions = []
        for name, file in files.items():
            heavy = file.size > HEAVY_BYTES
            threads = self._heavy_threads if heavy else self._threads
            session = _Session(self._library, graphs / file.file, file, threads)
            sessions.append(session)
            calls[name] = session.run
        return SessionModel(contract, calls, LibraryError, folder)


class _Session:
    """A graph that is open."""

    def __init__(self, library: Any, path: Path, file: GraphFile, threads: int):
        self._library = library
        graph = library.TF_NewGraph()
        try:
            self._import(graph, path.read_bytes())
            self._inputs = self._find(graph, file.inputs)
            self._outputs = self._find(graph, file.outputs)
            fill = [self._find_operation(graph, name) for name in file.fill]
            self._session = self._open(graph, _make_config(threads))
        finally:
            library.TF_DeleteGraph(graph)  # lives as long as its session
        weakref.finalize(self, partial(_close, library, self._session))
        if fill:
            self._run((), (), (), fill)

    def run(self, *arrays: np.ndarray) -> Sequence[np.ndarray]:
        """An array for each input to an array for each output."""
        library = self._library
        if len(arrays) != len(self._inputs):
            raise LibraryError(
                f"expected {len(self._inputs)} inputs, received {len(arrays)}"
            )
        tensors: list[int] = []
        try:
            tensors.extend(map(self._to_tensor, arrays))
            found = self._run(self._inputs, tensors, self._outputs, ())
        finally:
            for tensor in tensors:
                library.TF_DeleteTensor(tensor)
        try:
            return [self._to_array(tensor) for tensor in found]
        finally:
            for tensor in found:
                library.TF_DeleteTensor(tensor)

    def _run(
        self,
        inputs: Any,
        tensors: Sequence[int],
        outputs: Any,
        operations: Sequence[int],
    ) -> list[int]:
        given = (c_void_p * len(tensors))(*tensors)
        found = (c_void_p * len(outputs))()
        targets = (c_void_p * len(operations))(*operations)
        with self._status() as status:
            self._library.TF_SessionRun(
                *(self._session, None),
                *(inputs or None, given, len(tensors)),
                *(outputs or None, found, len(outputs)),
                *(targets, len(operations)),
                *(None, status),
            )
        return [tensor for tensor in found if tensor is not None]

    def _import(self, graph: int, content: bytes) -> None:
        library = self._library
        buffer = library.TF_NewBufferFromString(content, len(content))
        options = library.TF_NewImportGraphDefOptions()
        try:
            with self._status() as status:
                library.TF_GraphImportGraphDef(graph, buffer, options, status)
        finally:
            library.TF_DeleteImportGraphDefOptions(options)
            library.TF_DeleteBuffer(buffer)

    def _open(self, graph: int, config: bytes) -> int:
        library = self._library
        options = library.TF_NewSessionOptions()
        try:
            with self._status() as status:
                library.TF_SetConfig(options, config, len(config), status)
            with self._status() as status:
                session: int = library.TF_NewSession(graph, options, status)
        finally:
            library.TF_DeleteSessionOptions(options)
        return session

    def _find(self, graph: int, names: Sequence[str]) -> Any:
        found = (_Output * len(names))()
        for place, name in enumerate(names):
            operation, _, index = name.partition(":")
            if not index.isdigit() or len(index) > MOST_DIGITS:
                raise ValueError(f"expected the output of an operation, has {name!r}")
            found[place] = _Output(self._find_operation(graph, operation), int(index))
        return found

    def _find_operation(self, graph: int, name: str) -> int:
        found: int | None = self._library.TF_GraphOperationByName(graph, name.encode())
        if found is None:
            raise ValueError(f"expected {name!r} in the graph")
        return found

    def _to_tensor(self, array: np.ndarray) -> int:
        """A tensor with a copy of an array, which TensorFlow may keep."""
        library = self._library
        name = STRING if array.dtype.kind in "SU" else dtype_name(array.dtype)
        if name not in ENUMS:
            raise LibraryError(f"no tensor can be made of {array.dtype}")
        number = _types.DataType.Value(ENUMS[name])
        sizes = (c_int64 * array.ndim)(*array.shape)
        if name == STRING:
            strings = [_as_bytes(each) for each in array.ravel().tolist()]
            first, size = library.make_strings(strings), len(strings) * STRING_BYTES
            tensor = library.TF_NewTensor(
                *(number, sizes, array.ndim, first, size, library.free_strings, None)
            )
        else:
            native = array if array.dtype.isnative else array.astype(numpy_dtype(name))
            content = np.ascontiguousarray(native)
            tensor = library.TF_AllocateTensor(
                number, sizes, array.ndim, content.nbytes
            )
        if tensor is None:
            raise LibraryError(f"no tensor can be made of {name} {array.shape}")
        if name != STRING and content.nbytes:
            place = library.TF_TensorData(tensor)
            ctypes.memmove(place, content.ctypes.data, content.nbytes)
        found: int = tensor
        return found

    def _to_array(self, tensor: int) -> np.ndarray:
        """A copy of what is in a tensor."""
        library = self._library
        dimensions = range(library.TF_NumDims(tensor))
        shape = [library.TF_Dim(tensor, each) for each in dimensions]
        place, size = library.TF_TensorData(tensor), library.TF_TensorByteSize(tensor)
        name = DTYPES[_types.DataType.Name(library.TF_TensorType(tensor))]
        if name != STRING:
            array = np.empty(shape, numpy_dtype(name))
            if size:
                ctypes.memmove(array.ctypes.data, place, size)
            return array
        found = np.empty(size // STRING_BYTES, object)
        for number in range(len(found)):
            string = place + number * STRING_BYTES
            length = library.TF_StringGetSize(string)
            first = library.TF_StringGetDataPointer(string)
            found[number] = (ctypes.c_char * length).from_address(first).raw
        return found.reshape(shape)

    @contextmanager
    def _status(self) -> Iterator[int]:
        """What a function says of how it went, if it went wrong as an error."""
        library = self._library
        status = library.TF_NewStatus()
        try:
            yield status
            if library.TF_GetCode(status):
                message = library.TF_Message(status).decode(errors="replace")
                raise LibraryError(message)
        finally:
            library.TF_DeleteStatus(status)


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise LibraryError(f"expected strings, received {type(value).__name__}")


def _close(library: Any, session: int) -> None:
    status = library.TF_NewStatus()
    library.TF_CloseSession(session, status)
    library.TF_DeleteSession(session, status)
    library.TF_DeleteStatus(status)


def _make_config(threads: int) -> bytes:
    """As `tensorflow_runtime` opens sessions."""
    config = _config.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=CALLERS_THREAD,
        allow_soft_placement=True,
        device_count={"GPU": 0},
    )
    rewrites = config.graph_options.rewrite_options
    rewrites.meta_optimizer_iterations = _rewriter.RewriterConfig.ONE
    content: bytes = config.SerializeToString()
    return content

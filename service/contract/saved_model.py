"""What a SavedModel is, read from its protocol buffer without loading it.

saved_model.pb ─┬─ signature_def ─▶ names, dtypes, shapes
└─ graph, functions ─▶ operations: refused, stateful, or neither
"""

import base64
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.contract.operations import (
    FORBIDDEN,
    READS,
    SAVER,
    STREAMS,
    TEXT_TABLES,
    writes_state,
)
from service.contract.signature import Signature, TensorSpec
from service.contract.tensor_proto import DTYPES, TensorProtoError, to_array
from service.contract.tensorflow_protos import load_module

FILENAME = "saved_model.pb"
SERVE = "serve"  # the tag of the graph that is meant to be served
INTERNAL = ("__saved_model_init_op", "__saved_model_train_op")


class SavedModelError(ValueError):
    """A SavedModel that cannot be served, with a reason for its author."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What is known of a SavedModel before it is loaded.

    Attributes:
        signatures: That can be called, by name.
        stateful: Names of those that change variables or tables, so that a request may
            see what an earlier one has left.
        operations: All that its graph and functions use.
        refused: What each operation does that a served model may not, by its name.
    """

    signatures: dict[str, Signature]
    stateful: frozenset[str]
    operations: frozenset[str]
    refused: dict[str, str]


def read_saved_model(folder: Path) -> SavedModel:
    """Read `saved_model.pb`.

    Raises:
        SavedModelError: Absent, damaged, without a graph to serve, or a signature has
            what no protocol can carry.
    """
    graph = _read_graph(folder / FILENAME)
    program = _Program(graph)
    signatures, stateful = {}, set()
    for name, definition in sorted(graph.signature_def.items()):
        if name in INTERNAL or not definition.outputs:
            continue
        signatures[name] = _signature(name, definition)
        outputs = [info.name for info in definition.outputs.values()]
        if any(writes_state(node.op) for node in program.reachable(outputs)):
            stateful.add(name)
    if not signatures:
        raise SavedModelError(
            "it has no signature to serve: export one, for instance by "
            "tf.saved_model.save(model, path, signatures=…) or model.export(path)"
        )
    return SavedModel(
        signatures=signatures,
        stateful=frozenset(stateful),
        operations=frozenset(node.op for node in program.nodes()),
        refused=program.refused(),
    )


def with_one_signature(path: Path, name: str) -> bytes:
    """The content of a `saved_model.pb` that has no signature but one, the default.

    An output that is called as an input is, such as a state, gets another name: see
    `name_output`.

    Raises:
        SavedModelError: See `read_saved_model`.
    """
    graph = _read_graph(path)
    wanted = graph.signature_def[name]
    kept = type(wanted).FromString(wanted.SerializeToString())
    for other in list(graph.signature_def):
        if other not in INTERNAL:
            del graph.signature_def[other]
    for output in set(kept.outputs) & set(kept.inputs):
        kept.outputs[name_output(output, kept.inputs)].CopyFrom(kept.outputs[output])
        del kept.outputs[output]
    graph.signature_def["serving_default"].CopyFrom(kept)
    protos = load_module("tensorflow.core.protobuf.saved_model_pb2")
    model = protos.SavedModel(saved_model_schema_version=1, meta_graphs=[graph])
    return bytes(model.SerializeToString())


def name_output(name: str, inputs: Container[str]) -> str:
    """What an output is called where inputs and outputs share their names."""
    return f"{name}__output" if name in inputs else name


def _read_graph(path: Path) -> Any:
    """The `MetaGraphDef` that is tagged to be served."""
    protos = load_module("tensorflow.core.protobuf.saved_model_pb2")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SavedModelError(
            f"{path.name} cannot be read: {error.strerror}"
        ) from error
    try:
        model = protos.SavedModel.FromString(data)
    except Exception as error:  # protobuf's implementations differ in what they raise
        raise SavedModelError(
            f"{path.name} is no SavedModel: expected a protocol buffer, received "
            f"{len(data):,} bytes that are none"
        ) from error
    for graph in model.meta_graphs:
        if SERVE in graph.meta_info_def.tags:
            return graph
    tags = [", ".join(graph.meta_info_def.tags) for graph in model.meta_graphs]
    raise SavedModelError(
        f"it has no graph to serve: expected one with the tag {SERVE!r}, received "
        f"{'; '.join(tags) or 'none'}"
    )


def _signature(name: str, definition: Any) -> Signature:
    return Signature(
        inputs=tuple(
            _spec(
                f"signature {name}, input {key}",
                key,
                info,
                definition.defaults.get(key),
            )
            for key, info in sorted(definition.inputs.items())
        ),
        outputs=tuple(
            _spec(f"signature {name}, output {key}", key, info)
            for key, info in sorted(definition.outputs.items())
        ),
        method=definition.method_name,
    )


def _spec(what: str, name: str, info: Any, default: Any | None = None) -> TensorSpec:
    kind = info.WhichOneof("encoding")
    if kind in ("coo_sparse", "composite_tensor"):
        raise SavedModelError(
            f"{what}: expected a dense tensor, received a "
            f"{'sparse' if kind == 'coo_sparse' else 'ragged or other composite'} one; "
            "export a signature that takes its parts (values, indices, row splits)"
        )
    types = load_module("tensorflow.core.framework.types_pb2")
    dtype = types.DataType.Name(info.dtype)
    if dtype not in DTYPES:
        raise SavedModelError(
            f"{what}: expected a dtype of {', '.join(sorted(DTYPES.values()))}; "
            f"received {dtype}"
        )
    shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(
        name=name,
        dtype=DTYPES[dtype],
        shape=shape,
        any_rank=info.tensor_shape.unknown_rank,
        default=None if default is None else _default(what, default),
    )


def _default(what: str, proto: Any) -> Any:
    """The value of an optional input, JSON-ready; strings in base64."""
    try:
        array = to_array(proto)
    except TensorProtoError as error:
        raise SavedModelError(f"{what}, its default: {error}") from error
    if array.dtype == object:
        encoded = [base64.b64encode(each).decode() for each in array.ravel()]
        array = np.array(encoded, dtype=object).reshape(array.shape)
    return array.tolist()


class _Program:
    """The nodes of a graph and of its functions, and which of them call which."""

    def __init__(self, graph: Any):
        self._graph = graph
        self._nodes = {node.name: node for node in graph.graph_def.node}
        library = graph.graph_def.library.function
        self._functions = {each.signature.name: each for each in library}

    def nodes(self) -> Iterator[Any]:
        """All of them."""
        yield from self._nodes.values()
        for function in self._functions.values():
            yield from function.node_def

    def reachable(self, tensors: list[str]) -> Iterator[Any]:
        """The nodes that these tensors of the graph depend on, functions included."""
        seen, pending = set(), [_node_name(each) for each in tensors]
        functions: list[str] = []
        while pending:
            name = pending.pop()
            node = self._nodes.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            yield node
            pending += map(_node_name, node.input)
            functions += _called(node)
        yield from self._in_functions(functions)

    def refused(self) -> dict[str, str]:
        """What each forbidden operation does, by its name."""
        found = {}
        for node, function in self._with_function():
            effect = FORBIDDEN.get(node.op)
            if node.op in TEXT_TABLES and not self._reads_asset(node, function):
                effect = READS
            if node.op in STREAMS and not _is_harmless(node):
                effect = f"names a file in its {STREAMS[node.op][0]}"
            if effect is not None:
                found[node.op] = effect
        for node in self._served():
            if node.op in SAVER:
                found[node.op] = SAVER[node.op]
        return dict(sorted(found.items()))

    def _served(self) -> Iterator[Any]:
        """The nodes that loading or calling may run: all but those that only save."""
        tensors = [
            info.name
            for definition in self._graph.signature_def.values()
            for info in definition.outputs.values()
        ]
        for collection in ("saved_model_main_op", "legacy_init_op"):
            if collection in self._graph.collection_def:
                tensors += self._graph.collection_def[collection].node_list.value
        yield from self.reachable(tensors)
        objects = self._graph.object_graph_def
        yield from self._in_functions(list(objects.concrete_functions))

    def _in_functions(self, names: list[str]) -> Iterator[Any]:
        seen: set[str] = set()
        while names:
            name = names.pop()
            function = self._functions.get(name)
            if name in seen or function is None:
                continue
            seen.add(name)
            for node in function.node_def:
                yield node
                names += _called(node)

    def _with_function(self) -> Iterator[tuple[Any, Any | None]]:
        for node in self._nodes.values():
            yield node, None
        for function in self._functions.values():
            for node in function.node_def:
                yield node, function

    def _reads_asset(self, node: Any, function: Any | None) -> bool:
        """Whether the file of a text table is one of the SavedModel's own."""
        source = _node_name(node.input[1])
        if function is not None:
            return source in {each.name for each in function.signature.input_arg}
        assets = {
            _node_name(each.tensor_info.name) for each in self._graph.asset_file_def
        }
        return source in assets


def _called(node: Any) -> list[str]:
    """Names of the functions that a node may call."""
    names = []
    for attribute in node.attr.values():
        if attribute.HasField("func"):
            names.append(attribute.func.name)
        names += [each.name for each in attribute.list.func]
    if node.op not in ("PartitionedCall", "StatefulPartitionedCall"):
        names.append(node.op)  # a function may be called by its name as an operation
    return names


def _is_harmless(node: Any) -> bool:
    attribute, harmless = STREAMS[node.op]
    value = node.attr[attribute].s.decode(errors="replace")
    return any(
        value.startswith(each) if each.endswith("://") else value == each
        for each in harmless
    )


def _node_name(tensor: str) -> str:
    """The node of a tensor, of a control input, or of a function's inner tensor."""
    return tensor.removeprefix("^").partition(":")[0]

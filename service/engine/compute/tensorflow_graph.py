"""A function of TensorFlow's to a graph that stands alone: constants, tables, no state.

Constants let TensorFlow fold what follows from them, normalisation into convolutions
above all, and lay weights out for the processor once instead of in every batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.convert_to_constants import (
    _FunctionConverterDataInEager,
    _replace_variables_by_constants,
)

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
HARMLESS = frozenset({
    "AnonymousIterator", "AnonymousIteratorV2", "AnonymousIteratorV3", "Assert", "Case",
    "HashTable", "HashTableV2", "If", "InitializeTable", "InitializeTableV2",
    "LookupTableExport", "LookupTableExportV2", "LookupTableFind", "LookupTableFindV2",
    "LookupTableSize", "LookupTableSizeV2", "MakeIterator", "Multinomial",
    "ParameterizedTruncatedNormal", "PartitionedCall", "Print", "PrintV2",
    "RandomGamma", "RandomPoisson", "RandomPoissonV2", "RandomShuffle",
    "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "ReduceDataset",
    "StatefulPartitionedCall", "TruncatedNormal", "While",
})  # fmt: skip
"""Operations that count as stateful and keep nothing of what they are given."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A function without variables.

    Attributes:
        graph: A `tf.Graph`.
        inputs: Names of its inputs' tensors.
        outputs: Names of its outputs' tensors.
        fill: Operations that fill its lookup tables, to be run once.
        size: Bytes, nearly all of them weights.
        keepers: Operations that may keep what one call gives them for later ones.
    """

    graph: Any
    inputs: list[str]
    outputs: list[str]
    fill: list[Any]
    size: int
    keepers: list[str]


def freeze(function: Any, device: str) -> Graph:
    """Make constants of a concrete function's variables, and copy its lookup tables.

    Args:
        function: A `ConcreteFunction`.
        device: `/CPU:0` or `/GPU:0`, where the graph is to run.

    Raises:
        ValueError, tf.errors.OpError: It writes variables, or uses what is neither a
            variable nor a table that is filled once.
    """
    # What convert_variables_to_constants_v2 does, but for a last step that makes a
    # function of the graph again: half of the time and of the memory.
    variables = _FunctionConverterDataInEager(
        function, lower_control_flow=False, aggressive_inlining=False
    )
    definition, _ = _replace_variables_by_constants(variables)
    operations = _find_operations(definition)
    _check_constant(operations)
    resources = {
        f"{node.name}:0"
        for node in definition.node
        if node.op == "Placeholder" and node.attr["dtype"].type == tf.resource
    }
    handles = {
        placeholder.name: handle
        for handle, placeholder in function.graph.captures
        if placeholder.name in resources
    }
    contents = _read_tables(definition, handles)
    with tf.Graph().as_default() as graph, tf.device(device):
        tables, fill = _make_tables(contents)
        tf.import_graph_def(definition, input_map=tables, name="")
    graph.finalize()
    captured = len(function.captured_inputs)
    inputs = [each.name for each in function.inputs[: len(function.inputs) - captured]]
    outputs = [each.name for each in function.outputs]
    size, keepers = definition.ByteSize(), _find_keepers(operations)
    return Graph(graph, inputs, outputs, fill, size, keepers)


def _find_operations(definition: Any) -> set[str]:
    """Of a graph and of its functions, which count as none themselves."""
    functions = definition.library.function
    nodes = [*definition.node, *(node for each in functions for node in each.node_def)]
    return {node.op for node in nodes} - {each.signature.name for each in functions}


def _find_keepers(operations: set[str]) -> list[str]:
    found = {name: op_def_registry.get(name) for name in operations - HARMLESS}
    return sorted(
        name for name, known in found.items() if known is None or known.is_stateful
    )


def _check_constant(operations: set[str]) -> None:
    """Fail where variables are left, as those of TensorFlow 1 are."""
    left = sorted(operations.intersection(VARIABLES))
    if left:
        raise ValueError(f"expected constants for all variables, received {left}")


def _read_tables(
    definition: Any, handles: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """The keys and values of each table, by the name of the input that it was."""
    nodes = {node.name: node for node in definition.node}
    types = {}
    for node in definition.node:
        if node.op == "LookupTableFindV2":
            source = nodes[node.input[0]]
            while source.op == "Identity":
                source = nodes[source.input[0]]
            types[f"{source.name}:0"] = node.attr
    if unknown := handles.keys() - types.keys():
        raise ValueError(f"expected variables and tables, received {sorted(unknown)}")
    contents = {}
    for name, handle in handles.items():
        kinds = {"Tkeys": types[name]["Tin"].type, "Tvalues": types[name]["Tout"].type}
        keys, values = tf.raw_ops.LookupTableExportV2(table_handle=handle, **kinds)
        contents[name] = (keys.numpy(), values.numpy())
    return contents


def _make_tables(
    contents: Mapping[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], list[Any]]:
    """Tables in the graph that is being made, and the operations that fill them."""
    tables, fill = {}, []
    for name, pair in contents.items():
        keys, values = map(tf.constant, pair)
        tables[name] = tf.raw_ops.HashTableV2(
            key_dtype=keys.dtype, value_dtype=values.dtype
        )
        fill.append(
            tf.raw_ops.InitializeTableV2(
                table_handle=tables[name], keys=keys, values=values
            )
        )
    return tables, fill

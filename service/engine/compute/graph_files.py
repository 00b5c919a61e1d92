"""Graphs of a version as files: constants and tables, ready to be opened.

graphs.json   inputs, outputs and size of each, by signature
0.pb, 1.pb …  a GraphDef for each signature
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from service.contract.signature import Frozen

if TYPE_CHECKING:  # it imports TensorFlow
    from service.engine.compute.tensorflow_graph import Graph

FILENAME = "graphs.json"


class GraphFile(Frozen):
    """A graph in a file.

    Attributes:
        file: Its name.
        inputs: Names of its inputs' tensors.
        outputs: Names of its outputs' tensors.
        fill: Names of operations that fill its lookup tables, to be run once.
        size: Bytes, nearly all of them weights.
    """

    file: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fill: tuple[str, ...]
    size: int


_FILES = TypeAdapter(dict[str, GraphFile])


def write_graphs(folder: Path, graphs: Mapping[str, "Graph"]) -> None:
    """Write graphs into a folder, by signature.

    Raises:
        ValueError: One is larger than 2 GB.
        OSError: The folder cannot be written.
    """
    found: dict[str, GraphFile] = {}
    for number, (name, graph) in enumerate(graphs.items()):
        file = f"{number}.pb"
        content: bytes = graph.graph.as_graph_def().SerializeToString()
        (folder / file).write_bytes(content)
        found[name] = GraphFile(
            file=file,
            inputs=tuple(graph.inputs),
            outputs=tuple(graph.outputs),
            fill=tuple(operation.name for operation in graph.fill),
            size=graph.size,
        )
    (folder / FILENAME).write_bytes(_FILES.dump_json(found, indent=2))


def read_graphs(folder: Path) -> dict[str, GraphFile]:
    """What lies in a folder, by signature.

    Raises:
        OSError: Nothing does.
        ValueError: It is damaged.
    """
    return _FILES.validate_json((folder / FILENAME).read_bytes())

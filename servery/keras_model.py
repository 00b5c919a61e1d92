"""A Keras model to a function with names: those that its author gave.

Keras 3 exports a model with the dtypes and names of its own making (keras-team/keras
issues 19458 and 19771); here inputs keep theirs, and outputs are a dict.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from servery.versions import ExportRefused
from service.contract.signature import TensorSpec

Named = dict[str, Any]

_UNNAMED_INPUT = re.compile(r"(keras_tensor|input|input_layer)(_\d+)?")


def check_keras(model: Any) -> None:
    """Refuse a model that has no graph yet, or none of TensorFlow's.

    Raises:
        ExportRefused: With what to do about it.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportRefused(
            f"Keras computes with {keras.backend.backend()} here: save the model, "
            "model.save('model.keras'), and run: servery add model.keras"
        )
    called = isinstance(model, keras.Sequential) or hasattr(model, "_inputs_struct")
    if not model.built or not (called or model._build_shapes_dict):
        raise ExportRefused(
            "the model is not built, so the shape of its input is not known: begin a "
            "Sequential with keras.Input(shape), or call the model once on real rows"
        )


def describe_inputs(model: Any) -> tuple[tuple[TensorSpec, ...], Callable[..., Any]]:
    """Say what goes into a model, and how to call it with tensors by these names."""
    structure = _input_structure(model)
    tensors = keras.tree.flatten(structure)
    if isinstance(structure, Mapping):
        names = list(map(str, structure))
        tensors = list(structure.values())
    else:
        names = [tensor.name for tensor in tensors]
    if any(isinstance(tensor, Mapping | Sequence) for tensor in tensors):
        raise ExportRefused(
            "inputs: expected tensors, a list or a dict of them; received lists or "
            "dicts within each other"
        )
    names = _legal([None if _UNNAMED_INPUT.fullmatch(name) else name for name in names])
    specs = tuple(
        _describe(name, tensor) for name, tensor in zip(names, tensors, strict=True)
    )

    def call(**inputs: Any) -> Any:
        flat = [inputs[name] for name in names]
        if isinstance(structure, Mapping):
            return model(dict(zip(structure, flat, strict=True)), training=False)
        if isinstance(structure, list | tuple):
            return model(type(structure)(flat), training=False)
        return model(*flat, training=False)

    return specs, call


def name_outputs(model: Any, outputs: Any) -> Named:
    """Name what a model gives: the author's keys and layers, else `output_<n>`.

    Raises:
        ExportRefused: Outputs within outputs, or such as are not dense.
    """
    if isinstance(outputs, Mapping):
        named = {str(key): tensor for key, tensor in outputs.items()}
    else:
        listed = outputs if isinstance(outputs, list | tuple) else [outputs]
        names = _layer_names(model, len(listed))
        named = {
            name or f"output_{number}": tensor
            for number, (name, tensor) in enumerate(zip(names, listed, strict=True))
        }
        if len(named) < len(listed):
            raise ExportRefused(f"outputs: expected a name for each, received {names}")
    for name, tensor in named.items():
        if not tf.is_tensor(tensor) or isinstance(tensor, tf.RaggedTensor):
            raise ExportRefused(
                f"output {name}: expected a dense tensor, received "
                f"{type(tensor).__name__}"
            )
    return named


class _Sized:
    """What is known of an input of a subclassed model: Keras's notes of its call."""

    def __init__(self, name: str, shape: Sequence[int | None], dtype: str):
        self.name, self.shape, self.dtype, self.sparse = name, shape, dtype, False


def _input_structure(model: Any) -> Any:
    """The inputs as the model takes them, tensors of Keras's or what is noted."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0]
    if hasattr(model, "_inputs_struct"):  # as keras.src.export.export_utils has it
        structure = model._inputs_struct
        single = isinstance(structure, list | tuple) and len(structure) == 1
        return structure[0] if single else structure
    shapes = list(model._build_shapes_dict.values())
    names = [
        name
        for name in inspect.signature(model.call).parameters
        if name not in ("training", "mask")
    ]
    if len(shapes) != 1 or isinstance(shapes[0], Mapping):
        raise ExportRefused(
            "a subclassed model with several inputs: expected one tensor; wrap it, "
            "keras.Model(inputs, model(inputs)) with a keras.Input for each"
        )
    return _Sized(names[0], (None, *shapes[0][1:]), model.input_dtype)


def _describe(name: str, tensor: Any) -> TensorSpec:
    if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
        raise ExportRefused(
            f"input {name}: expected a dense tensor, received a sparse or ragged one; "
            "let the model take its parts (values, indices) and put them together"
        )
    return TensorSpec(
        name=name,
        dtype=keras.backend.standardize_dtype(tensor.dtype),
        shape=tuple(tensor.shape),
    )


def _legal(names: list[str | None]) -> list[str]:
    """Names as TensorFlow writes them: letters, digits, underscores."""
    legal = [
        f"input_{number}" if name is None else re.sub(r"\W", "_", name, flags=re.ASCII)
        for number, name in enumerate(names)
    ]
    if len(set(legal)) < len(legal):
        raise ExportRefused(f"inputs: expected a name for each, received {names}")
    return legal


def _layer_names(model: Any, count: int) -> list[str | None]:
    """The name of the layer behind each output, if it is its author's."""
    functional = model
    if isinstance(model, keras.Sequential):
        functional = model._functional
    if not hasattr(functional, "operations"):
        return [None] * count
    by_name = {operation.name: operation for operation in functional.operations}
    names = functional.output_names
    return [
        None if _is_made_up(name, by_name.get(name)) else name
        for name in (names if len(names) == count else [None] * count)
    ]


def _is_made_up(name: str | None, layer: Any) -> bool:
    """Whether Keras made up the name, of the layer's class and a counter."""
    if name is None or layer is None:
        return True
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_",
                  type(layer).__name__).lower()  # fmt: skip
    return re.fullmatch(rf"{re.escape(word)}(_\d+)?", name) is not None

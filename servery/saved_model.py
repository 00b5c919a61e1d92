"""Functions to a lean SavedModel, reloaded and compared with what they were made from.

trace ──▶ save the graphs and what is in them ──▶ reload ──▶ compare
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from servery.versions import ExportRefused
from service.contract.golden import Samples
from service.contract.signature import Signature, TensorSpec

DEFAULT_SIGNATURE = "serving_default"
GOLDEN_ROWS = 64
Arrays = Mapping[str, npt.NDArray[Any]]
Call = Callable[..., Mapping[str, Any]]
Difference = Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]


@dataclass(frozen=True, slots=True)
class Function:
    """One signature of a model.

    Attributes:
        call: takes the inputs' tensors as keywords, gives output name → tensor with
            the rows first. In the manifest outputs keep the order of this mapping.
        inputs: name, dtype and shape of each input; None = any, rows come first.
        sample: input → array of real rows, to compare the written with the live.
    """

    call: Call
    inputs: tuple[TensorSpec, ...]
    sample: Arrays


def save(
    functions: Mapping[str, Function], resources: Sequence[Any], draft: Path
) -> dict[str, Signature]:
    """Save only what inference reads: the traced graphs and the variables in them.

    `keras.Model.export` also hangs the model's own list of variables onto the saved
    object, and every variable is written twice.

    Args:
        functions: signature → function; the first is the default too.
        resources: lookup tables and other trackable objects that the functions use;
            variables are found by themselves.
        draft: the folder to write into.

    Returns:
        The signatures, with the outputs that were traced, in their order.
    """
    if not functions:
        raise ExportRefused("signatures: expected at least one, received none")
    traced = {name: _trace(function) for name, function in functions.items()}
    default = next(iter(traced.values()))
    module = tf.Module()
    module.weights = _distinct_variables(traced.values())
    module.resources = list(resources)
    named = {DEFAULT_SIGNATURE: default, **traced}  # TensorFlow Serving looks for it
    tf.saved_model.save(module, str(draft), signatures=named)
    return {
        name: _describe(functions[name], concrete) for name, concrete in traced.items()
    }


def compare(
    live: Call,
    written: Call,
    rows: Arrays,
    tolerance: float,
    difference: Difference | None = None,
) -> float:
    """Compare what two functions give for the same rows.

    Args:
        live: the original.
        written: the same, reloaded.
        rows: input → array.
        tolerance: largest difference allowed.
        difference: how it is measured; by default `largest_difference`.

    Returns:
        The largest difference.

    Raises:
        ExportRefused: It is larger, or no number.
    """
    inputs = {key: tf.constant(value) for key, value in rows.items()}
    reloaded = written(**inputs)
    measure, largest = difference or largest_difference, 0.0
    for output, tensor in live(**inputs).items():
        found = measure(as_array(tensor), as_array(reloaded[output]))
        if not found <= tolerance:  # also refuses NaN
            raise ExportRefused(
                f"{output}: the reloaded model differs from the live one; "
                f"expected at most {tolerance:g}, received {found:g}"
            )
        largest = max(largest, found)
    return largest


def compare_all(
    functions: Mapping[str, Function], draft: Path, tolerance: float
) -> None:
    """Compare every signature of a SavedModel with the function that it came from.

    Args:
        functions: signature → function.
        draft: the SavedModel's folder.
        tolerance: largest difference allowed; other dtypes than float must be equal.
    """
    reloaded = tf.saved_model.load(str(draft))
    for name, function in functions.items():
        try:
            written = reloaded.signatures[name]
            compare(function.call, written, function.sample, tolerance)
        except ExportRefused as error:
            raise ExportRefused(f"{name}.{error}") from error


def answer(
    call: Call,
    signature: Signature,
    rows: Arrays,
    labels: npt.NDArray[Any] | None = None,
) -> Samples:
    """What a function answers to the first rows, as many as are worth keeping."""
    kept = {
        spec.name: rows[spec.name][:GOLDEN_ROWS] if spec.has_rows else rows[spec.name]
        for spec in signature.inputs
        if spec.name in rows
    }
    found = call(**{name: tf.constant(each) for name, each in kept.items()})
    return Samples(
        tuple(kept[spec.name] for spec in signature.inputs),
        tuple(as_array(found[spec.name]) for spec in signature.outputs),
        None if labels is None else labels[:GOLDEN_ROWS],
    )


def largest_difference(live: npt.NDArray[Any], written: npt.NDArray[Any]) -> float:
    """Of floats, the largest; of all else, 0 if it is equal. NaN differs from all."""
    if live.shape != written.shape or live.dtype != written.dtype:
        return float("inf")
    if np.issubdtype(live.dtype, np.floating):
        return float(np.max(np.abs(live - written), initial=0))
    return 0.0 if np.array_equal(live, written) else float("inf")


def find_tables(owner: Any) -> Iterator[Any]:
    """The lookup tables below a model, which a saved function does not bring itself."""
    from tensorflow.saved_model.experimental import TrackableResource

    for each in tf.train.TrackableView(owner).descendants():
        if isinstance(each, TrackableResource):
            yield each


def as_array(tensor: Any) -> npt.NDArray[Any]:
    """A tensor's values; of one text alone TensorFlow makes no array."""
    value = tensor.numpy()
    return np.array(value, dtype=object) if isinstance(value, bytes) else value


def _trace(function: Function) -> Any:
    specs = {
        spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name)
        for spec in function.inputs
    }
    return tf.function(function.call, autograph=False).get_concrete_function(**specs)


def _distinct_variables(traced: Iterable[Any]) -> list[Any]:
    found = {
        variable.ref(): variable
        for concrete in traced
        for variable in concrete.variables
    }
    return list(found.values())


def _describe(function: Function, concrete: Any) -> Signature:
    outputs = concrete.structured_outputs
    return Signature(
        inputs=function.inputs,
        outputs=tuple(
            TensorSpec(name=name, dtype=spec.dtype.name, shape=tuple(spec.shape))
            for name, spec in outputs.items()
        ),
    )

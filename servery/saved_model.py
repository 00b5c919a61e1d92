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
LABELLED_ROWS = 1000  # with the right answers: as many as prove 0.1 point
MOST_LABELLED_BYTES = 200_000_000  # of their inputs: 1,000 photos of 224×224 in colour
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
        most_rows: of a batch, if fewer than the model's other signatures take.
    """

    call: Call
    inputs: tuple[TensorSpec, ...]
    sample: Arrays
    most_rows: int | None = None


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
    most_bytes: int = MOST_LABELLED_BYTES,
) -> Samples:
    """What a function answers to as many rows as are worth keeping.

    Args:
        call: The function.
        signature: Its own.
        rows: input → array, with all the rows that there are.
        labels: The right answers to these.
        most_bytes: Of the inputs that are kept, where there are labels: up to 1,000
            rows, evenly from all of them, and 64 in any case. Else the first 64.
    """
    chosen: Any = slice(GOLDEN_ROWS)
    if labels is not None and signature.can_batch:
        size = sum(each.nbytes for each in rows.values())
        chosen = _spread(len(labels), size, most_bytes)
    kept = {
        spec.name: rows[spec.name][chosen] if spec.has_rows else rows[spec.name]
        for spec in signature.inputs
        if spec.name in rows
    }
    found = list(_call_in_parts(call, kept, whole=not signature.can_batch))
    return Samples(
        tuple(kept[spec.name] for spec in signature.inputs),
        tuple(
            np.concatenate(parts) if len(parts) > 1 else parts[0]
            for parts in (
                [each[spec.name] for each in found] for spec in signature.outputs
            )
        ),
        None if labels is None else labels[chosen],
    )


def _spread(count: int, size: int, most_bytes: int) -> npt.NDArray[np.intp]:
    """Numbers of rows, evenly from all, of which there may be `size` bytes."""
    fitting = most_bytes * count // max(1, size)
    kept = min(count, LABELLED_ROWS, max(GOLDEN_ROWS, fitting))
    return np.arange(kept) * count // max(1, kept)


def _call_in_parts(
    call: Call, rows: Arrays, *, whole: bool
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The outputs to rows, in parts that no memory is too small for."""
    count = GOLDEN_ROWS if whole else max(map(len, rows.values()), default=1)
    for first in range(0, max(1, count), GOLDEN_ROWS):
        part = slice(first, first + GOLDEN_ROWS)
        given = rows if whole else {name: each[part] for name, each in rows.items()}
        found = call(**{name: tf.constant(each) for name, each in given.items()})
        yield {name: as_array(each) for name, each in found.items()}


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
        most_rows=function.most_rows,
        outputs=tuple(
            TensorSpec(name=name, dtype=spec.dtype.name, shape=tuple(spec.shape))
            for name, spec in outputs.items()
        ),
    )

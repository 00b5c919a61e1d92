"""Samples that a version carries: inputs, and what TensorFlow answers to them.

`golden.npz` beside the SavedModel holds them; whatever computes the version must give
the same answers before anybody gets one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.signature import Signature, TensorSpec, fits

FILENAME = "golden.npz"
MOST_BYTES = 1 << 30  # of all samples, uncompressed
TOLERANCE = 1e-4
"""Largest difference of an output, absolute below 1 and as a share above: the order of
sums differs between runtimes. What is no float must be equal."""

Array = npt.NDArray[Any]
Origin = Literal["held-out", "given", "drawn"]


class GoldenError(ValueError):
    """The samples cannot be read, or are none of this version's."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Of one signature.

    Attributes:
        inputs: An array for each input, in its order.
        outputs: What TensorFlow answers in float32, likewise.
        labels: The right answers, where they are known.
    """

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    labels: Array | None = None


@dataclass(frozen=True, slots=True)
class Golden:
    """The samples of a version.

    Attributes:
        origin: `held-out` from what training never saw, `given` by whoever added the
            model, or `drawn` at random within the signature.
        samples: By signature.
    """

    origin: Origin
    samples: Mapping[str, Samples] = field(default_factory=dict)

    def only(self, names: Collection[str]) -> "Golden":
        """Those of some signatures."""
        kept = {name: each for name, each in self.samples.items() if name in names}
        return Golden(self.origin, kept)


def write_golden(
    path: Path, golden: Golden, signatures: Mapping[str, Signature]
) -> None:
    """Write the samples to an .npz file."""
    arrays: dict[str, Array] = {"origin": np.array(golden.origin)}
    for name, samples in golden.samples.items():
        signature = signatures[name]
        pairs = (("inputs", signature.inputs), ("outputs", signature.outputs))
        for kind, specs in pairs:
            tensors = getattr(samples, kind)
            for spec, array in zip(specs, tensors, strict=True):
                arrays[f"{name}/{kind}/{spec.name}"] = _pack(array)
        if samples.labels is not None:
            arrays[f"{name}/labels"] = samples.labels
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_golden(path: Path, signatures: Mapping[str, Signature]) -> Golden | None:
    """Read the samples from an .npz file; None where there is none.

    Raises:
        GoldenError: It is damaged, or lacks an input or output of a signature.
    """
    try:
        with path.open("rb") as content, np.load(content) as file:
            return _read(file, signatures)
    except FileNotFoundError:
        return None
    except GoldenError as error:
        raise GoldenError(f"{path.name}: {error}") from error
    except Exception as error:  # of files, zip, zlib, NumPy, memory
        raise GoldenError(f"{path.name} cannot be read: {error}") from error


def difference(expected: Array, received: Array) -> float:
    """How far an output is from what is expected, as `TOLERANCE` counts it.

    NaN and infinities equal themselves. Another dtype or shape, and what is no float
    and differs, is infinitely far.
    """
    if expected.shape != received.shape or expected.dtype != received.dtype:
        return float("inf")
    if expected.dtype.kind not in "fcV":  # V: bfloat16
        return 0.0 if np.array_equal(expected, received) else float("inf")
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    one, other = expected.astype(wide), received.astype(wide)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    one, other = one[~same], other[~same]
    with np.errstate(invalid="ignore"):
        shares = np.abs(one - other) / np.maximum(1, np.abs(one))
    found = float(np.max(shares, initial=0))
    return found if found == found else float("inf")  # a number where NaN is expected


def _read(file: Any, signatures: Mapping[str, Signature]) -> Golden:
    size = sum(each.file_size for each in file.zip.infolist())
    if size > MOST_BYTES:
        raise GoldenError(f"expected at most {MOST_BYTES:,} bytes, received {size:,}")
    origin = str(file["origin"])
    if origin not in get_args(Origin):
        raise GoldenError(f"origin: expected one of {get_args(Origin)}, not {origin!r}")
    samples = {
        name: _read_samples(file, name, signature)
        for name, signature in signatures.items()
        if any(key.startswith(f"{name}/") for key in file.files)
    }
    return Golden(origin, samples)  # type: ignore[arg-type]


def _read_samples(file: Any, name: str, signature: Signature) -> Samples:
    def read(kind: str, specs: tuple[TensorSpec, ...]) -> tuple[Array, ...]:
        return tuple(
            _unpack(file[f"{name}/{kind}/{spec.name}"], spec) for spec in specs
        )

    inputs, outputs = (
        read("inputs", signature.inputs),
        read("outputs", signature.outputs),
    )
    for spec, array in zip(signature.inputs, inputs, strict=True):
        if not spec.any_rank and not fits(array.shape, spec.shape):
            shapes = f"{[*spec.shape]}, received {[*array.shape]}"
            raise GoldenError(f"{name}, {spec.name}: expected the shape {shapes}")
    rows = {len(array) for array in inputs} if signature.can_batch else {1}
    if len(rows) > 1 or 0 in rows:
        raise GoldenError(f"{name}: expected as many rows of each input, not {rows}")
    labels = f"{name}/labels"
    return Samples(inputs, outputs, file[labels] if labels in file.files else None)


def _pack(array: Array) -> Array:
    """What .npz keeps: text as lengths of its own, bfloat16 as the bytes it is."""
    if array.dtype.kind == "O":
        texts = [
            each.encode() if isinstance(each, str) else each for each in array.ravel()
        ]
        longest = max(map(len, texts), default=0)
        return np.array(texts, f"S{longest + 1}").reshape(array.shape)
    return array.view(np.uint16) if array.dtype.kind == "V" else array


def _unpack(array: Array, spec: TensorSpec) -> Array:
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype == STRING:
        array = array.astype(object)
    elif spec.dtype == "bfloat16":
        array = array.view(dtype)
    if dtype_name(array.dtype) != spec.dtype:
        raise GoldenError(
            f"{spec.name}: expected {spec.dtype}, received {dtype_name(array.dtype)}"
        )
    return array

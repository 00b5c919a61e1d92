"""Write a version of a model: a lean SavedModel, its manifest and its reports.

    trace ──▶ save to a hidden folder ──▶ reload ──▶ compare with the live functions
          ──▶ reports ──▶ manifest ──▶ flush to disk ──▶ rename to <name>/<version>

Until the rename nothing is seen; after it the version never changes. A failure on the
way leaves nothing behind.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.integrity import hash_files as _hash_files
from service.contract.manifest import FILENAME, Manifest, Training
from service.contract.signature import Signature, TensorSpec

DEFAULT_SIGNATURE = "serving_default"
Arrays = Mapping[str, npt.NDArray[Any]]


class ExportRefused(RuntimeError):
    """What was written is not what was trained, or its place is taken."""


@dataclass(frozen=True, slots=True)
class Function:
    """One signature of a model.

    Attributes:
        call: takes the inputs' tensors as keywords, gives output name → tensor with
            the rows first. In the manifest outputs keep the order of this mapping.
        inputs: name, dtype and shape of each input; None = any, rows come first.
        sample: input → array of real rows, to compare the written with the live.
    """

    call: Callable[..., Mapping[str, Any]]
    inputs: tuple[TensorSpec, ...]
    sample: Arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a trainer says of its model; the fields are those of the manifest."""

    name: str
    task: str
    description: str
    intended_use: str
    limits: str
    labels: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    training: Training
    metrics: Mapping[str, Any]
    constants: Mapping[str, Any] = field(default_factory=dict)


def export_version(
    card: Card,
    functions: Mapping[str, Function],
    artifacts_dir: Path,
    *,
    reports: Mapping[str, bytes] | None = None,
    resources: Sequence[Any] = (),
    version: int | None = None,
    tolerance: float = 1e-5,
) -> Path:
    """Write `<artifacts_dir>/<name>/<version>/`, whole or not at all.

    Args:
        card: what the manifest says of the model.
        functions: signature → function; the first is the SavedModel's default too.
        artifacts_dir: the folder of all models.
        reports: file name → content, to go into `report/`.
        resources: lookup tables and other trackable objects that the functions use;
            variables are found by themselves.
        version: by default the next free integer.
        tolerance: largest difference allowed between an output of the reloaded
            SavedModel and of the live function; other dtypes than float must be equal.

    Returns:
        The version's folder.

    Raises:
        ExportRefused: The version exists, or the reloaded model answers differently.
    """
    home = artifacts_dir / card.name
    home.mkdir(parents=True, exist_ok=True)
    number = next_version(home) if version is None else version
    _refuse_taken(home / str(number))
    draft = Path(tempfile.mkdtemp(prefix=f".{number}-", dir=home))
    try:
        draft.chmod(0o755)  # mkdtemp makes it private; a version is for all to read
        signatures = _save(functions, resources, draft)
        _compare(functions, draft, tolerance)
        for name, content in (reports or {}).items():
            (draft / "report").mkdir(exist_ok=True)
            (draft / "report" / name).write_bytes(content)
        _write_manifest(card, number, signatures, draft)
        _flush(draft)
        return _publish(draft, home / str(number))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):  # other versions live there
            home.rmdir()
        raise


def next_version(home: Path) -> int:
    """Give the integer after the highest version in a model's folder; 1 if none."""
    taken = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
    return max(taken, default=0) + 1


def _save(
    functions: Mapping[str, Function], resources: Sequence[Any], draft: Path
) -> dict[str, Signature]:
    """Save only what inference reads: the traced graphs and the variables in them.

    `keras.Model.export` also hangs the model's own list of variables onto the saved
    object, and every variable is written twice.
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


def _trace(function: Function) -> Any:
    specs = {
        spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name)
        for spec in function.inputs
    }
    return tf.function(function.call, autograph=False).get_concrete_function(**specs)


def _distinct_variables(traced: Any) -> list[Any]:
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


def _compare(functions: Mapping[str, Function], draft: Path, tolerance: float) -> None:
    reloaded = tf.saved_model.load(str(draft))
    for name, function in functions.items():
        inputs = {key: tf.constant(value) for key, value in function.sample.items()}
        written = reloaded.signatures[name](**inputs)
        for output, live in function.call(**inputs).items():
            difference = _largest_difference(live.numpy(), written[output].numpy())
            if not difference <= tolerance:  # also refuses NaN
                raise ExportRefused(
                    f"{name}.{output}: the reloaded model differs from the live one; "
                    f"expected at most {tolerance:g}, received {difference:g}"
                )


def _largest_difference(live: npt.NDArray[Any], written: npt.NDArray[Any]) -> float:
    if live.shape != written.shape:
        return float("inf")
    if np.issubdtype(live.dtype, np.floating):
        return float(np.max(np.abs(live - written), initial=0))
    return 0.0 if np.array_equal(live, written) else float("inf")


def _write_manifest(
    card: Card, version: int, signatures: dict[str, Signature], draft: Path
) -> None:
    manifest = Manifest(
        name=card.name,
        version=version,
        task=card.task,
        created=datetime.now(UTC).replace(microsecond=0),
        description=card.description,
        intended_use=card.intended_use,
        limits=card.limits,
        signatures=signatures,
        labels=card.labels,
        batch_sizes=card.batch_sizes,
        constants=dict(card.constants),
        training=card.training,
        metrics=dict(card.metrics),
        files=_hash_files(draft),
    )
    (draft / FILENAME).write_text(manifest.model_dump_json(indent=2) + "\n")


def _flush(folder: Path) -> None:
    """Have the disk hold every file before the rename says that they are there."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish(draft: Path, place: Path) -> Path:
    _refuse_taken(place)
    return draft.rename(place)


def _refuse_taken(place: Path) -> None:
    if place.exists():
        raise ExportRefused(
            f"version {place.name} of {place.parent.name} exists; "
            f"a version is never changed: expected a free number"
        )

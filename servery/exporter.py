"""From a model, in memory or in a file, to a version that was checked.

Keras model  ─┐
.keras, .h5  ─┼─▶ functions ─▶ SavedModel ─┐
tf.Module    ─┘                            ├─▶ read ─▶ reload ─▶ compare ─▶ version
SavedModel   ────────────────▶ copy      ──┘
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from servery.comparison import Comparison
from servery.copying import copy_saved_model
from servery.declaration import check_declared, read_task
from servery.examples import check_examples
from servery.saved_model import (
    DEFAULT_SIGNATURE,
    Call,
    Function,
    save,
)
from servery.sources import (
    by_keyword,
    find_functions,
    load_keras,
    read_keras,
)
from servery.versions import ExportRefused, check_name, write_version
from service.contract.contract import DEFAULT_BATCH_SIZES
from service.contract.golden import FILENAME as GOLDEN
from service.contract.golden import Golden, write_golden
from service.contract.inspection import KERAS_FILES, find_saved_model
from service.contract.integrity import hash_files, verify_files
from service.contract.manifest import FILENAME as MANIFEST
from service.contract.manifest import (
    Manifest,
    ManifestError,
    read_manifest,
    write_manifest,
)
from service.contract.samples import Rows
from service.contract.saved_model import (
    SavedModel,
    SavedModelError,
    read_saved_model,
)
from service.contract.task import Task


@dataclass(frozen=True, slots=True)
class Exported:
    """A version that was written, and how it was checked.

    Attributes:
        folder: The version's.
        saved: What is in it.
        rows: Signature → the rows that it was compared by.
        drawn: Whether these were drawn, and not given.
        difference: The largest that was found.
        varying: Signatures that answer the same rows differently each time, so that
            shapes alone were compared.
    """

    folder: Path
    saved: SavedModel
    rows: dict[str, Rows]
    drawn: bool
    difference: float
    varying: tuple[str, ...]


def export_model(
    model: Any,
    name: str,
    artifacts: Path,
    *,
    samples: Any | None = None,
    expected: Any | None = None,
    labels: tuple[str, ...] = (),
    task: Task | Mapping[str, Any] | str | None = None,
    version: int | None = None,
) -> Exported:
    """Write a Keras model or a `tf.Module`; see `servery.export`."""
    if expected is not None and samples is None:
        raise ExportRefused(
            "expected: expected samples too, whose right answers these are"
        )
    known = _know(task, labels)
    if isinstance(model, keras.Layer):
        function, tables = read_keras(model)
        calls = {DEFAULT_SIGNATURE: function.call}

        def fill(draft: Path) -> None:
            save({DEFAULT_SIGNATURE: function}, tables, draft)
            _check_signature(function, read_saved_model(draft))

    elif isinstance(model, tf.Module):
        signatures = find_functions(model)
        calls = {key: by_keyword(each) for key, each in signatures.items()}

        def fill(draft: Path) -> None:
            tf.saved_model.save(model, str(draft), signatures=signatures)

    else:
        raise ExportRefused(
            "model: expected a keras.Model, or a tf.Module with functions that have an "
            f"input_signature; received {type(model).__module__}.{type(model).__name__}"
        )
    return _write(
        fill, calls, name, artifacts, samples, version, known, expected=expected
    )


def add_path(
    path: Path,
    artifacts: Path,
    *,
    name: str | None = None,
    version: int | None = None,
    samples: Any | None = None,
    labels: tuple[str, ...] = (),
    task: Task | Mapping[str, Any] | str | None = None,
    allow_operations: bool = False,
) -> Exported:
    """Write a model that lies in a file or folder as a version.

    Args:
        path: A SavedModel's folder, or that of a model, whose newest version is taken;
            a `.keras` or an `.h5` file.
        artifacts: The folder of all models.
        name: By default the file's or folder's.
        version: By default the next free integer.
        samples: As for `servery.export`; so are `labels` and `task`, which come before
            what a manifest beside the model says.
        labels: The name of each class.
        task: What it is for.
        allow_operations: Take operations that read or write files, or call out.

    Raises:
        ExportRefused: It cannot be added; the message says why.
    """
    if path.suffix in KERAS_FILES:
        name = check_name(path.stem if name is None else name)
        model = load_keras(path)
        return export_model(
            model, name, artifacts,
            samples=samples, labels=labels, task=task, version=version,
        )  # fmt: skip
    source = _find(path)
    name = check_name(_name_of(source) if name is None else name)
    _refuse_operations(_read(source), allowed=allow_operations)
    known = _know(task, labels, _read_known(source))
    calls = dict(tf.saved_model.load(str(source)).signatures)
    return _write(
        lambda draft: copy_saved_model(source, draft),
        calls, name, artifacts, samples, version, known,
        allow_operations=allow_operations,
    )  # fmt: skip


def _write(
    fill: Any,
    calls: Mapping[str, Call],
    name: str,
    artifacts: Path,
    samples: Any | None,
    version: int | None,
    known: Mapping[str, Any],
    *,
    expected: Any | None = None,
    allow_operations: bool = False,
) -> Exported:
    found: dict[str, Any] = {}

    def fill_and_check(draft: Path, number: int) -> None:
        fill(draft)
        saved = _read(draft)
        _refuse_operations(saved, allowed=allow_operations)
        labels = known.get("labels", ())
        check_declared(known.get("task"), saved.signatures, labels)
        reloaded = tf.saved_model.load(str(draft)).signatures
        comparison = Comparison(saved, reloaded)
        for signature, call in calls.items():
            comparison.check(signature, call, samples)
        comparison.add_expected(expected, labels)
        golden = Golden("drawn" if samples is None else "given", comparison.golden)
        write_golden(draft / GOLDEN, golden, saved.signatures)
        if known:
            check_examples(_write_manifest(known, name, number, saved, draft), reloaded)
        found.update(
            saved=saved,
            rows=comparison.rows,
            difference=comparison.largest,
            varying=tuple(comparison.varying),
        )

    folder = write_version(artifacts, name, fill_and_check, version)
    return Exported(folder, drawn=samples is None, **found)


def _find(path: Path) -> Path:
    try:
        return find_saved_model(path)
    except SavedModelError as error:
        raise ExportRefused(f"{error}; or a .keras or an .h5 file") from error


def _name_of(source: Path) -> str:
    """The name of a SavedModel's folder; of a version's, that of the folder above."""
    folder = source.resolve()
    return folder.parent.name if folder.name.isdecimal() else folder.name


def _read(folder: Path) -> SavedModel:
    try:
        return read_saved_model(folder)
    except SavedModelError as error:
        raise ExportRefused(f"{folder.name}: {error}") from error


def _refuse_operations(saved: SavedModel, *, allowed: bool) -> None:
    if saved.refused and not allowed:
        reasons = ", ".join(f"{name} {what}" for name, what in saved.refused.items())
        raise ExportRefused(
            f"the model uses operations that reach out of the process: {reasons}. "
            "If you trust it: servery add --allow-operations"
        )


def _check_signature(function: Function, saved: SavedModel) -> None:
    """Refuse inputs of another name, dtype or shape than the model's."""
    written = saved.signatures[DEFAULT_SIGNATURE].inputs
    expected = sorted(function.inputs, key=lambda spec: spec.name)
    if list(written) != expected:
        raise ExportRefused(f"inputs: expected {expected}, written were {written}")


def _know(
    task: Task | Mapping[str, Any] | str | None,
    labels: tuple[str, ...],
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is known of a version: what is said now, and before it."""
    said = {"task": read_task(task), "labels": labels}
    return {**(known or {}), **{key: each for key, each in said.items() if each}}


def _read_known(path: Path) -> dict[str, Any]:
    """What a manifest beside the model says; its files must be whole."""
    if not (path / MANIFEST).is_file():
        return {}
    try:
        manifest = read_manifest(path)
        verify_files(path, manifest)
    except ManifestError as error:
        raise ExportRefused(f"{path.name}: {error}") from error
    return {name: getattr(manifest, name) for name in Manifest.model_fields}


def _write_manifest(
    known: Mapping[str, Any], name: str, version: int, saved: SavedModel, draft: Path
) -> Manifest:
    """Write what is known of a version, and give it: nothing is invented."""
    default = {
        "created": datetime.now(UTC).replace(microsecond=0),
        "signatures": saved.signatures,
        "stateful": tuple(sorted(saved.stateful)),
        "batch_sizes": DEFAULT_BATCH_SIZES,
    }
    own = {"name": name, "version": version, "files": hash_files(draft)}
    manifest = Manifest.model_validate({**default, **known, **own})
    write_manifest(draft, manifest)
    return manifest

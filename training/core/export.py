"""Write a version of a model that was trained here: SavedModel, manifest, reports.

    save ──▶ reload ──▶ compare with the live functions ──▶ reports ──▶ manifest

`servery.versions` sees to it that the version is written whole or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from servery.saved_model import (
    DEFAULT_SIGNATURE,
    Arrays,
    Function,
    answer,
    compare_all,
    save,
)
from servery.versions import ExportRefused, write_version
from service.contract.golden import FILENAME as GOLDEN
from service.contract.golden import Golden, write_golden
from service.contract.integrity import hash_files
from service.contract.manifest import (
    PRECISION_TOLERANCE,
    Manifest,
    Training,
    write_manifest,
)
from service.contract.signature import Signature
from service.contract.task import Task

MOST_GOLDEN_BYTES = 4_000_000  # of rows with labels; versions lie in a repository

__all__ = [
    "DEFAULT_SIGNATURE",
    "Card",
    "ExportRefused",
    "Function",
    "HeldOut",
    "export_version",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a trainer says of its model; the fields are those of the manifest."""

    name: str
    task: Task | str
    description: str
    intended_use: str
    limits: str
    labels: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    training: Training
    metrics: Mapping[str, Any]
    constants: Mapping[str, Any] = field(default_factory=dict)
    precision_tolerance: float = PRECISION_TOLERANCE


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that training and selection never saw.

    Attributes:
        rows: input → array.
        labels: the right answers.
    """

    rows: Arrays
    labels: npt.NDArray[Any]


def export_version(
    card: Card,
    functions: Mapping[str, Function],
    artifacts_dir: Path,
    *,
    held_out: Mapping[str, HeldOut] | None = None,
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
        held_out: signature → rows that training never saw, for `golden.npz`; where
            there are none, the function's own sample goes in.
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

    def fill(draft: Path, number: int) -> None:
        signatures = save(functions, resources, draft)
        compare_all(functions, draft, tolerance)
        _write_golden(functions, held_out, signatures, draft)
        for name, content in (reports or {}).items():
            (draft / "report").mkdir(exist_ok=True)
            (draft / "report" / name).write_bytes(content)
        _write_manifest(card, number, signatures, draft)

    return write_version(artifacts_dir, card.name, fill, version)


def _write_golden(
    functions: Mapping[str, Function],
    held_out: Mapping[str, HeldOut] | None,
    signatures: Mapping[str, Signature],
    draft: Path,
) -> None:
    """Write what the reloaded model answers, for who computes it to be held against."""
    reloaded = tf.saved_model.load(str(draft)).signatures
    samples = {}
    for name, function in functions.items():
        found = (held_out or {}).get(name)
        rows = function.sample if found is None else found.rows
        labels = None if found is None else found.labels
        samples[name] = answer(
            reloaded[name], signatures[name], rows, labels, MOST_GOLDEN_BYTES
        )
    golden = Golden("held-out" if held_out else "given", samples)
    write_golden(draft / GOLDEN, golden, signatures)


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
        precision_tolerance=card.precision_tolerance,
        constants=dict(card.constants),
        training=card.training,
        metrics=dict(card.metrics),
        files=hash_files(draft),
    )
    write_manifest(draft, manifest)

"""Write a version's weights as the next version, with other samples beside them.

A version is never changed. What it carries to be compared by may still turn out to be
too little, as 64 samples are to prove a tenth of a point by; the network itself, what
was measured of it and how it came to be stay what they are.

    SavedModel ─── copied, to the byte ──▶ reload ──▶ answers as the version said? ─┐
    manifest ───── but for number, date, and what is said of the samples ───────────┴▶
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import tensorflow as tf

from servery.copying import copy_saved_model
from servery.saved_model import Call, answer
from servery.versions import ExportRefused, write_version
from service.contract.golden import (
    FILENAME,
    TOLERANCE,
    Golden,
    Samples,
    difference,
    read_golden,
    write_golden,
)
from service.contract.integrity import hash_files, verify_files
from service.contract.manifest import Manifest, read_manifest, write_manifest
from service.contract.signature import Signature
from training.core.export import MOST_GOLDEN_BYTES, HeldOut


def export_again(
    folder: Path, artifacts_dir: Path, held_out: Mapping[str, HeldOut]
) -> Path:
    """Write the version in `folder` as the next one, with other samples.

    Args:
        folder: `artifacts/<name>/<version>`, whose `golden.npz` says what it answers.
        artifacts_dir: the folder of all models, in which the next version is written.
        held_out: signature → rows that training never saw, in place of its own.

    Returns:
        The new version's folder.

    Raises:
        ManifestError: The version's files are not those of its manifest.
        ExportRefused: It carries no samples, or answers otherwise than they say.
    """
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    known = read_golden(folder / FILENAME, manifest.signatures)
    if known is None:
        raise ExportRefused(f"{folder}: expected a {FILENAME}, found none")

    def fill(draft: Path, number: int) -> None:
        copy_saved_model(folder, draft)
        reloaded = tf.saved_model.load(str(draft)).signatures
        samples = dict(known.samples)
        for name, each in known.samples.items():
            _check(name, reloaded[name], manifest.signatures[name], each)
        for name, rows in held_out.items():
            signature = manifest.signatures[name]
            samples[name] = answer(
                reloaded[name], signature, rows.rows, rows.labels, MOST_GOLDEN_BYTES
            )
        golden = Golden("held-out", samples)
        write_golden(draft / FILENAME, golden, manifest.signatures)
        changes = {
            "version": number,
            "created": datetime.now(UTC).replace(microsecond=0),
            "description": f"{manifest.description} {_tell(manifest, golden)}",
            "files": hash_files(draft),
        }
        write_manifest(draft, manifest.model_copy(update=changes))

    return write_version(artifacts_dir, manifest.name, fill)


def _check(name: str, call: Call, signature: Signature, known: Samples) -> None:
    """Refuse a function that answers otherwise than its samples say."""
    names = [spec.name for spec in signature.inputs]
    rows = dict(zip(names, known.inputs, strict=True))
    received = answer(call, signature, rows, known.labels)
    pairs = zip(known.outputs, received.outputs, strict=True)
    found = max((difference(*pair) for pair in pairs), default=0.0)
    if not found <= TOLERANCE:
        raise ExportRefused(
            f"{name}: expected what its samples say, to {TOLERANCE:g}; received "
            f"answers that differ by {found:.2g}"
        )


def _tell(manifest: Manifest, golden: Golden) -> str:
    """What is new, for people."""
    counts = [
        f"{len(each.labels):,} of `{name}`"
        for name, each in golden.samples.items()
        if each.labels is not None
    ]
    return (
        f"Weights, graphs and measures are version {manifest.version}'s, to the byte; "
        f"only the samples that it carries are others: with a label, "
        f"{', '.join(counts)}."
    )

"""The contract that lies beside each SavedModel: `manifest.json`, and its check."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FILENAME = "manifest.json"


class ManifestError(ValueError):
    """The manifest cannot be read, or the files beside it are not the ones it lists."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Frozen):
    """One input or output of a signature."""

    name: str
    dtype: str = Field(description="NumPy's name (uint8, float32), or string")
    shape: tuple[int | None, ...] = Field(description="null = any; the first is rows")


class Signature(_Frozen):
    """What goes in and what comes out, in the order in which rows are passed."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Data(_Frozen):
    """One data set that a model was made from."""

    name: str
    source: str
    licence: str
    sha256: dict[str, str] = Field(description="file → SHA-256 of its content")
    rows: dict[str, int] = Field(description="train, validation, test → rows")


class Training(_Frozen):
    """How the weights came to be."""

    data: tuple[Data, ...]
    seed: int
    epochs: int
    seconds: float = Field(description="wall time of training")
    hardware: str
    versions: dict[str, str] = Field(description="python, tensorflow, keras, numpy")
    git_commit: str
    hyperparameters: dict[str, Any]


class Manifest(_Frozen):
    """Everything that is known of one version of one model."""

    name: str
    version: int = Field(ge=1)
    task: str
    created: datetime
    description: str
    intended_use: str
    limits: str
    signatures: dict[str, Signature]
    labels: tuple[str, ...] = Field(description="name of each class, by its index")
    batch_sizes: tuple[int, ...] = Field(
        min_length=1, description="rows a batch may have, rising; others are padded up"
    )
    constants: dict[str, Any] = Field(
        default_factory=dict, description="pre-processing that the graph cannot do"
    )
    training: Training
    metrics: dict[str, Any] = Field(description="measured on data never trained on")
    files: dict[str, str] = Field(description="path → SHA-256, all files but this one")


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` from a version's folder.

    Raises:
        ManifestError: Absent, unreadable, or not of this form.
    """
    try:
        return Manifest.model_validate_json((folder / FILENAME).read_bytes())
    except (OSError, ValueError) as error:
        raise ManifestError(f"{folder / FILENAME}: {error}") from error


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` but the manifest, by relative POSIX path."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / FILENAME
    }


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check that the files in `folder` are exactly those that the manifest lists.

    Raises:
        ManifestError: A file is missing, extra, or differs; the message names all.
    """
    found = hash_files(folder)
    wrong = [
        f"{path}: {_difference(manifest.files.get(path), found.get(path))}"
        for path in sorted(found.keys() | manifest.files.keys())
        if found.get(path) != manifest.files.get(path)
    ]
    if wrong:
        raise ManifestError(f"{folder}: files are not as listed; " + "; ".join(wrong))


def _difference(expected: str | None, received: str | None) -> str:
    if received is None:
        return "missing"
    if expected is None:
        return "not in the manifest"
    return f"expected SHA-256 {expected[:12]}…, received {received[:12]}…"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

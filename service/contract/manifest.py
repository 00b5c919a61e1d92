"""The manifest that lies beside each SavedModel: `manifest.json`.

Beside it lies its own hash, `manifest.sha256`, as `sha256sum` writes it and checks it:
what was measured of a version is not edited afterwards either.
"""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from service.contract.signature import Frozen, Signature
from service.contract.task import Task
from service.wording import describe_faults

FILENAME, DIGEST = "manifest.json", "manifest.sha256"
PRECISION_TOLERANCE = 0.1
MOST_PRECISION_TOLERANCE = 1.0  # points: what costs more is another model
NAMED = ("task", "str")  # what Pydantic finds wrong with a task that is no mere name


class ManifestError(ValueError):
    """The manifest cannot be read, or the files beside it are not the ones it lists."""


class Data(Frozen):
    """One data set that a model was made from."""

    name: str
    source: str
    licence: str
    sha256: dict[str, str] = Field(description="file → SHA-256 of its content")
    rows: dict[str, int] = Field(description="train, validation, test → rows")


class Training(Frozen):
    """How the weights came to be."""

    data: tuple[Data, ...]
    seed: int
    epochs: int
    seconds: float = Field(description="wall time of training")
    hardware: str
    versions: dict[str, str] = Field(description="python, tensorflow, keras, numpy")
    git_commit: str
    hyperparameters: dict[str, Any]


class Manifest(Frozen):
    """Everything that is known of one version of one model.

    What a model comes from, and how good it is, may be unknown; nothing is invented.
    """

    name: str
    version: int = Field(ge=1)
    task: Task | str | None = Field(
        None, description="what typed endpoints need to know; or its name alone"
    )
    created: datetime
    description: str = ""
    intended_use: str = ""
    limits: str = ""
    signatures: dict[str, Signature]
    stateful: tuple[str, ...] = Field(
        (), description="signatures by which a request changes what later ones see"
    )
    labels: tuple[str, ...] = Field((), description="name of each class, by its index")
    batch_sizes: tuple[int, ...] = Field(
        min_length=1, description="rows a batch may have, rising; others are padded up"
    )
    precision_tolerance: float = Field(
        PRECISION_TOLERANCE,
        ge=0,
        le=MOST_PRECISION_TOLERANCE,
        allow_inf_nan=False,
        description="percentage points by which the task's measure may fall, and of "
        "answers that may change, for a lesser precision to be served",
    )
    constants: dict[str, Any] = Field(
        default_factory=dict, description="pre-processing that the graph cannot do"
    )
    training: Training | None = None
    metrics: dict[str, Any] = Field(
        default_factory=dict, description="what was measured, and on what"
    )
    files: dict[str, str] = Field(
        description="path → SHA-256, all but the manifest and its hash"
    )


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` from a version's folder.

    Raises:
        ManifestError: Absent, unreadable, or not of this form.
    """
    try:
        return Manifest.model_validate_json((folder / FILENAME).read_bytes())
    except OSError as error:
        raise ManifestError(f"{FILENAME} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        faults = [each for each in error.errors() if each["loc"] != NAMED]
        raise ManifestError(f"{FILENAME}: {describe_faults(faults)}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` and its hash into a version's folder."""
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    (folder / FILENAME).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {FILENAME}\n")

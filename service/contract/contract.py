"""What serving needs to know of a version: the contract, from wherever it comes.

    manifest.json   ─┐
                     ├─▶ Contract ─▶ engine, every protocol
    saved_model.pb  ─┘

Where there is a manifest, it is believed; its files are hashed before.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from service.contract.manifest import (
    PRECISION_TOLERANCE,
    Manifest,
    ManifestError,
)
from service.contract.saved_model import SavedModel
from service.contract.signature import Frozen, Signature
from service.contract.table import TaskError
from service.contract.task import Task, check_task

DEFAULT_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
STATEFUL = "it changes variables or tables, so requests go one at a time"
NO_ROWS = "an input or output has no free first dimension"


class Contract(Frozen):
    """One version of one model, as engine and protocols see it."""

    name: str
    version: int = Field(ge=1)
    signatures: dict[str, Signature]
    batch_sizes: tuple[int, ...] = Field(
        min_length=1, description="rows a batch may have, rising; others are padded up"
    )
    unbatched: dict[str, str] = Field(
        default_factory=dict,
        description="signatures that take one request at a time, and why",
    )
    stateful: tuple[str, ...] = Field(
        (), description="signatures by which a request changes what later ones see"
    )
    task: Task | str | None = Field(
        None, description="declared, or only named; null = only tensors are known"
    )
    labels: tuple[str, ...] = Field((), description="name of each class, by its index")
    precision_tolerance: float = Field(
        PRECISION_TOLERANCE, description="see the manifest"
    )
    constants: dict[str, Any] = Field(
        default_factory=dict, description="pre-processing that the graph cannot do"
    )

    def batches(self, signature: str) -> bool:
        """Whether rows of several requests to this signature share batches."""
        return signature not in self.unbatched

    def sizes(self, signature: str) -> tuple[int, ...]:
        """The rows that a batch of this signature may have, rising."""
        most = self.signatures[signature].most_rows or max(self.batch_sizes)
        fitting = tuple(size for size in self.batch_sizes if size <= most)
        return fitting or self.batch_sizes[:1]

    def keeping_state(self, signature: str) -> "Contract":
        """The same, but for a signature that was found to keep state."""
        stateful = tuple(sorted({*self.stateful, signature}))
        changed = self.without_batching(signature, STATEFUL)
        return changed.model_copy(update={"stateful": stateful})

    def without_batching(self, signature: str, reason: str) -> "Contract":
        """The same, but for a signature that turned out not to batch."""
        unbatched = {**self.unbatched, signature: reason}
        return self.model_copy(update={"unbatched": unbatched})


def from_manifest(manifest: Manifest) -> Contract:
    """The contract that a manifest states.

    Raises:
        ManifestError: Its task is none that its signature can do.
    """
    if manifest.task is not None and not isinstance(manifest.task, str):
        try:
            check_task(manifest.task, manifest.signatures, manifest.labels)
        except TaskError as error:
            raise ManifestError(str(error)) from error
    return Contract(
        name=manifest.name,
        version=manifest.version,
        signatures=manifest.signatures,
        batch_sizes=manifest.batch_sizes,
        unbatched=_unbatched(manifest.signatures, manifest.stateful),
        stateful=manifest.stateful,
        task=manifest.task,
        labels=manifest.labels,
        precision_tolerance=manifest.precision_tolerance,
        constants=manifest.constants,
    )


def as_contract(given: Contract | Manifest) -> Contract:
    """The contract itself, or the one that a manifest states."""
    return given if isinstance(given, Contract) else from_manifest(given)


def from_saved_model(
    name: str,
    version: int,
    saved: SavedModel,
    batch_sizes: tuple[int, ...] = DEFAULT_BATCH_SIZES,
) -> Contract:
    """The contract that a SavedModel states by itself.

    Args:
        name: The model's.
        version: Its version.
        saved: What was read of it.
        batch_sizes: Rows a batch may have, rising.
    """
    return Contract(
        name=name,
        version=version,
        signatures=saved.signatures,
        batch_sizes=batch_sizes,
        unbatched=_unbatched(saved.signatures, saved.stateful),
        stateful=tuple(sorted(saved.stateful)),
    )


def _unbatched(
    signatures: Mapping[str, Signature], stateful: Collection[str]
) -> dict[str, str]:
    return {
        name: STATEFUL if name in stateful else NO_ROWS
        for name, signature in signatures.items()
        if name in stateful or not signature.can_batch
    }

"""A version's folder to what is known of it before it is loaded."""

from dataclasses import dataclass
from pathlib import Path

from service.contract import manifest as manifests
from service.contract.compilation import RuntimeChoice
from service.contract.contract import Contract, from_manifest, from_saved_model
from service.contract.integrity import check_files
from service.contract.manifest import Manifest, ManifestError, read_manifest
from service.contract.reference import Reference
from service.contract.saved_model import (
    FILENAME,
    SavedModel,
    SavedModelError,
    read_saved_model,
)

MARKS = (manifests.FILENAME, FILENAME)  # a folder with one of these is a version


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version.

    Attributes:
        contract: What serving needs.
        manifest: What people need, if the version has one.
        unlisted: Files that its manifest does not name.
        runtime: What computes it, once it has been loaded.
        reference: What it answered in training, once it has been loaded.
    """

    contract: Contract
    manifest: Manifest | None
    unlisted: tuple[str, ...] = ()
    runtime: RuntimeChoice | None = None
    reference: Reference | None = None


def read_version(
    folder: Path,
    name: str,
    version: int,
    allowed: frozenset[str] = frozenset(),
    *,
    verify: bool = True,
) -> Version:
    """Read a version's manifest, its SavedModel, or both, and verify what can be.

    Args:
        folder: Where it lies.
        name: The model's.
        version: Its number.
        allowed: Operations that it may use although they reach out of the process.
        verify: Whether to hash its files, and to look for operations that are refused.

    Raises:
        ManifestError: The manifest cannot be read, is that of another version, or the
            files beside it are not the ones it lists.
        SavedModelError: It is no SavedModel that can be served, or one that uses
            operations which are not allowed.
    """
    if not (folder / manifests.FILENAME).exists():
        saved = read_saved_model(folder)
        if verify:
            _check_operations(saved, allowed)
        return Version(from_saved_model(name, version, saved), manifest=None)
    manifest = read_manifest(folder)
    if (manifest.name, manifest.version) != (name, version):
        raise ManifestError(
            f"{manifests.FILENAME}: expected that of {name} {version}, received that "
            f"of {manifest.name} {manifest.version}"
        )
    unlisted = check_files(folder, manifest) if verify else []
    contract = from_manifest(manifest)
    if (folder / FILENAME).exists():
        saved = read_saved_model(folder)
        if verify:
            _check_operations(saved, allowed)
        for signature in saved.stateful & contract.signatures.keys():
            contract = contract.keeping_state(signature)
    return Version(contract, manifest, tuple(unlisted))


def _check_operations(saved: SavedModel, allowed: frozenset[str]) -> None:
    refused = {
        operation: effect
        for operation, effect in saved.refused.items()
        if operation not in allowed
    }
    if refused:
        named = ", ".join(f"{each} ({effect})" for each, effect in refused.items())
        raise SavedModelError(
            f"it uses operations that a served model may not: {named}; whoever trusts "
            "it can allow them for this model"
        )

"""Whether the files of a version are the ones that its manifest lists."""

import hashlib
from pathlib import Path

from service.contract.manifest import FILENAME, Manifest, ManifestError


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

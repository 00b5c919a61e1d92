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

    Files whose names begin with a dot may be there too: desktops leave them.

    Raises:
        ManifestError: A file is missing, extra, or differs; the message names all.
    """
    unlisted = check_files(folder, manifest)
    if unlisted:
        wrong = "; ".join(f"{path}: not in the manifest" for path in unlisted)
        raise ManifestError(f"files are not as listed; {wrong}")


def check_files(folder: Path, manifest: Manifest) -> list[str]:
    """Check that the files which the manifest lists are there, unchanged.

    Returns:
        The other files, which do no harm; without those whose names begin with a dot.

    Raises:
        ManifestError: A file is missing, unreadable, or differs; the message names all.
    """
    wrong = [
        f"{path}: {problem}"
        for path, expected in sorted(manifest.files.items())
        if (problem := _find_problem(folder / path, expected))
    ]
    if wrong:
        raise ManifestError("files are not as listed; " + "; ".join(wrong))
    return [
        name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / FILENAME
        if (name := path.relative_to(folder).as_posix()) not in manifest.files
        if not any(part.startswith(".") for part in name.split("/"))
    ]


def _find_problem(path: Path, expected: str) -> str | None:
    try:
        received = _sha256(path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if received == expected:
        return None
    return f"expected SHA-256 {expected[:12]}…, received {received[:12]}…"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

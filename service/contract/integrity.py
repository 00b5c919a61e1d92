"""Whether the files of a version are the ones that its manifest lists."""

import hashlib
from pathlib import Path

from service.contract.manifest import DIGEST, FILENAME, Manifest, ManifestError

OWN = (FILENAME, DIGEST)  # which no manifest lists


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` but the manifest, by relative POSIX path."""
    return {name: _sha256(folder / name) for name in _find_files(folder)}


def is_covered(folder: Path) -> bool:
    """Whether the manifest has a hash of its own; older versions have none."""
    return (folder / DIGEST).exists()


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

    So must the manifest be, where there is a hash of it.

    Returns:
        The other files, which do no harm; without those whose names begin with a dot.

    Raises:
        ManifestError: A file is missing, unreadable, or differs; the message names all.
    """
    listed = dict(sorted(manifest.files.items()))
    if is_covered(folder):
        listed[FILENAME] = _read_digest(folder / DIGEST)
    wrong = [
        f"{path}: {problem}"
        for path, expected in listed.items()
        if (problem := _find_problem(folder / path, expected))
    ]
    if wrong:
        raise ManifestError("files are not as listed; " + "; ".join(wrong))
    return [
        name
        for name in _find_files(folder)
        if name not in manifest.files
        if not any(part.startswith(".") for part in name.split("/"))
    ]


def _find_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below `folder` but the manifest."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if name not in OWN]


def _read_digest(path: Path) -> str:
    """The first word of a line as `sha256sum` writes it; empty where there is none."""
    try:
        return path.read_text("utf-8", "replace").partition(" ")[0].strip()
    except OSError as error:
        raise ManifestError(f"{path.name}: cannot be read: {error.strerror}") from error


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

"""What lies in the artifacts folder: which versions, and what cannot be read of it."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from service.contract.version import MARKS

LAST_VERSION = 2**32 - 1  # what a frame to the engine can name
BY_NAME = attrgetter("name")
MOST_ENTRIES = 10_000  # files of one version; a link to a parent folder makes more


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """One version on disk.

    Attributes:
        path: Where; its last part may be `0001` for version 1.
        fingerprint: Of the names, sizes and times of its files, without those whose
            names begin with a dot. Another one means other files.
        contents: The same with them: what `rsync` has yet to rename shows here.
    """

    path: Path
    fingerprint: str
    contents: str


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at the artifacts folder.

    Attributes:
        versions: By model and number, both rising.
        notes: By model: what was ignored or cannot be read, and why.
        problem: What is wrong with the folder as a whole.
        readable: Whether it could be read at all.
    """

    versions: dict[str, dict[int, VersionFolder]] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str | None = None
    readable: bool = True


def find_versions(artifacts: Path) -> dict[str, list[int]]:
    """Versions by model, rising: every `<model>/<integer>/` with one of `MARKS`."""
    found = scan_artifacts(artifacts).versions
    return {name: list(versions) for name, versions in found.items()}


def find_folder(artifacts: Path, name: str, version: int) -> Path:
    """Where a version lies, or would."""
    folders, _ = _choose_folders(artifacts / name)
    return folders.get(version, artifacts / name / str(version))


def scan_artifacts(artifacts: Path) -> Scan:
    """Look at every version in `artifacts`; nothing that lies there makes this fail."""
    try:
        names = _visible_names(artifacts)
    except OSError as error:
        problem = f"the artifacts folder cannot be read: {error.strerror}"
        return Scan(problem=problem, readable=False)
    scan = Scan()
    for name in names:
        versions, notes = _scan_model(artifacts / name)
        if versions:
            scan.versions[name] = versions
        if notes:
            scan.notes[name] = notes
    return scan


def _scan_model(model: Path) -> tuple[dict[int, VersionFolder], tuple[str, ...]]:
    folders, notes = _choose_folders(model)
    versions = {}
    for version, folder in sorted(folders.items()):
        try:
            versions[version] = _fingerprint(folder)
        except OSError as error:
            notes.append(f"{folder.name} cannot be read: {_describe(error, folder)}")
    return versions, tuple(notes)


def _choose_folders(model: Path) -> tuple[dict[int, Path], list[str]]:
    """The folder of each version of a model, and what is to be said of the others."""
    notes: list[str] = []
    candidates: dict[int, list[str]] = {}
    try:
        if not stat.S_ISDIR(model.stat().st_mode):
            return {}, notes
        names = _visible_names(model)
    except OSError as error:
        return {}, [f"the folder cannot be read: {error.strerror}"]
    for name in names:
        if not (name.isascii() and name.isdecimal() and name.strip("0")):
            continue
        if len(name.lstrip("0")) > len(str(LAST_VERSION)) or int(name) > LAST_VERSION:
            notes.append(f"{name[:20]}… is ignored: expected at most {LAST_VERSION}")
            continue
        try:
            if _is_version(model / name):
                candidates.setdefault(int(name), []).append(name)
        except (FileNotFoundError, NotADirectoryError):
            continue  # it is still being written, or none of ours
        except OSError as error:
            notes.append(f"{name} cannot be read: {error.strerror}")
    chosen = {}
    for version, same in candidates.items():
        first, *others = sorted(same, key=len)  # 1 before 01
        chosen[version] = model / first
        notes += [
            f"{other} is ignored: it is version {version}, as {first} is"
            for other in others
        ]
    return chosen, notes


def _is_version(folder: Path) -> bool:
    """Whether a folder holds a manifest or a SavedModel.

    Raises:
        OSError: It cannot be read.
    """
    for mark in MARKS:
        try:
            os.stat(f"{folder}/{mark}")  # noqa: PTH116 - often, so without a Path each
        except FileNotFoundError:
            continue
        return True
    return False


def _fingerprint(folder: Path) -> VersionFolder:
    files = list(_walk(str(folder)))
    visible = [each for each in files if not _is_hidden(each[0])]
    contents = fingerprint = _digest(files)
    if len(visible) < len(files):
        fingerprint = _digest(visible)
    return VersionFolder(folder, fingerprint, contents)


def _walk(folder: str) -> Iterator[tuple[str, int, int, bool]]:
    """Relative path, size, time and readability of each file, links followed.

    Raises:
        OSError: A folder below cannot be read, or there are too many files.
    """
    folders, count = [""], 0
    while folders:
        inside = folders.pop()
        for entry in sorted(os.scandir(f"{folder}/{inside}"), key=BY_NAME):
            path = f"{inside}/{entry.name}" if inside else entry.name
            count += 1
            if count > MOST_ENTRIES:
                raise OSError(0, f"it holds more than {MOST_ENTRIES} files")
            try:
                found = entry.stat()
            except OSError:  # a link to nothing: a stranger's, or its file is missing
                yield path, -1, 0, False
                continue
            if not stat.S_ISDIR(found.st_mode):
                readable = os.access(entry.path, os.R_OK)
                yield path, found.st_size, found.st_mtime_ns, readable
            elif not entry.name.startswith("."):
                folders.append(path)


def _visible_names(folder: Path) -> list[str]:
    names = os.listdir(folder)  # noqa: PTH208 - as above
    return sorted(name for name in names if not name.startswith("."))


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def _digest(files: Iterable[object]) -> str:
    return hashlib.blake2b(repr(list(files)).encode(), digest_size=16).hexdigest()


def _describe(error: OSError, folder: Path) -> str:
    if error.filename is None:
        return str(error.strerror)
    return f"{error.strerror}: {os.path.relpath(error.filename, folder)}"

"""A version of a model is written whole or not at all, and never changes.

    a hidden folder ──▶ fill and check ──▶ flush to disk ──▶ rename to <name>/<version>

Until the rename nothing is seen; a failure on the way leaves nothing behind.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

Fill = Callable[[Path, int], None]
"""Writes a version's files into a folder, by its number, and checks them."""


class ExportRefused(RuntimeError):
    """What was written is not what it was made from, or cannot be written."""


def check_name(name: str) -> str:
    """Give the name back if it can stand in a path and in a URL.

    Raises:
        ExportRefused: It cannot.
    """
    if not NAME.fullmatch(name):
        raise ExportRefused(
            "name: expected up to 128 letters, digits, dots, dashes and underscores, a "
            f"letter or digit first; received {name!r}"
        )
    return name


def write_version(
    artifacts: Path, name: str, fill: Fill, version: int | None = None
) -> Path:
    """Write `<artifacts>/<name>/<version>/`.

    Args:
        artifacts: The folder of all models.
        name: The model's.
        fill: Writes the content; whatever it raises ends the writing.
        version: By default the next free integer.

    Returns:
        The version's folder.

    Raises:
        ExportRefused: The version exists, or `fill` refused.
    """
    home = artifacts / check_name(name)
    home.mkdir(parents=True, exist_ok=True)
    draft: Path | None = None
    try:
        number = next_version(home) if version is None else version
        _refuse_taken(home / str(number))
        draft = Path(tempfile.mkdtemp(prefix=f".{number}-", dir=home))
        draft.chmod(0o755)  # mkdtemp makes it private; a version is for all to read
        fill(draft, number)
        _flush(draft)
        return _publish(draft, home / str(number))
    except BaseException:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):  # other versions live there
            home.rmdir()
        raise


def next_version(home: Path) -> int:
    """Give the integer after the highest version in a model's folder; 1 if none."""
    taken = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
    return max(taken, default=0) + 1


def _flush(folder: Path) -> None:
    """Have the disk hold every file before the rename says that they are there."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _publish(draft: Path, place: Path) -> Path:
    _refuse_taken(place)
    try:
        draft.rename(place)
    except OSError as error:  # somebody else was faster
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            _refuse_taken(place)
        raise
    _sync(place.parent)
    return place


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_taken(place: Path) -> None:
    if place.exists():
        raise ExportRefused(
            f"version {place.name} of {place.parent.name} exists; "
            f"a version is never changed: expected a free number"
        )

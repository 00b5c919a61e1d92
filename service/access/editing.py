"""Adds keys to their file and takes them out, and leaves the rest of it as it is."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from service.access.keys import ApiKey, KeysError, check_name, parse_keys, read_content

NEW_MODE = 0o600
BEGINNING = (
    "# API keys of Servery; `servery keys --help`. Of each key only its SHA-256.\n"
)


def add_key(path: Path, name: str, key: ApiKey) -> None:
    """Write a key into the file, which is made if there is none.

    Raises:
        KeysError: The name is taken or impossible, or the file cannot be written.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise KeysError(str(error)) from error
    with _locked(path):
        text = _read(path) if path.exists() else BEGINNING
        known = _parse(text, path)
        if name in known:
            raise KeysError(f"{path}: expected a new name, received {name}")
        end = "" if text.endswith("\n") or not text else "\n"
        _write(path, f"{text}{end}\n{_render(name, key)}", {**known, name: key})


def remove_key(path: Path, name: str) -> None:
    """Take a key out of the file.

    Raises:
        KeysError: It is not there, or written so that a person has to do it.
    """
    with _locked(path):
        text = _read(path)
        known = _parse(text, path)
        if name not in known:
            names = ", ".join(known) or "none"
            raise KeysError(f"{path}: expected one of {names}; received {name}")
        left = {each: key for each, key in known.items() if each != name}
        _write(path, _without(text, name), left)


def _without(text: str, name: str) -> str:
    """The text without the table of a key: from its head up to that of the next."""
    left, is_other = [], True
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            is_other = line.partition("]")[0].replace('"', "") != f"[keys.{name}"
        if is_other:
            left.append(line)
    return "".join(left)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time: who adds a key must not write back one that is being removed."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: Path) -> str:
    content = read_content(path)
    try:
        return content.decode()
    except ValueError as error:
        raise KeysError(f"{path}: expected UTF-8, received {error}") from error


def _parse(text: str, path: Path) -> dict[str, ApiKey]:
    return parse_keys(text.encode(), path)


def _write(path: Path, text: str, expected: Mapping[str, ApiKey]) -> None:
    """Replace the file by `text`, if that says what is expected."""
    if _parse(text, path) != expected:
        raise KeysError(
            f"{path}: expected a table [keys.<name>] for each key, received another "
            "form; change it by hand"
        )
    path = path.resolve()  # or a link would be replaced
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else NEW_MODE
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise KeysError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(name).unlink()
        raise KeysError(f"{path} cannot be written: {error.strerror}") from error


def _render(name: str, key: ApiKey) -> str:
    lines = [f"[keys.{name}]"]
    for field, value in key.model_dump(exclude_none=True).items():
        lines.append(f"{field} = {_show(value)}")
    return "\n".join(lines) + "\n"


def _show(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)

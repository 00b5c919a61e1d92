"""What a run is about, left in its output so that the next one goes on with the same.

Which parts are done the journal does not say: a part is, when its file is there.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.batch.errors import BatchError
from service.batch.sources import unreadable

FILENAME, LOCK = "_servery.json", "_servery.lock"
FORMAT = 1
WORDS = {
    "model": "model",
    "version": "version",
    "files": "files of the version",
    "input": "input",
    "kind": "kind of input",
    "rows_a_part": "--rows",
    "column": "--column",
    "top_k": "--top-k",
}


@dataclass(frozen=True, slots=True)
class Journal:
    """What a run is about.

    Attributes:
        model: That scores.
        version: Of it.
        files: SHA-256 of all of the version's files.
        kind: Of the input.
        input: Its fingerprint.
        rows: Of it.
        parts: Into which it is cut.
        rows_a_part: At most.
        column: Of the text or the file, where somebody named it.
        top_k: Classes that were asked for.
    """

    model: str
    version: int
    files: str
    kind: str
    input: str
    rows: int
    parts: int
    rows_a_part: int
    column: str | None
    top_k: int | None

    def check(self, now: "Journal") -> None:
        """See that what is wanted now is what was begun.

        Raises:
            BatchError: It is not.
        """
        for name, word in WORDS.items():
            begun, received = getattr(self, name), getattr(now, name)
            if begun != received:
                raise BatchError(
                    f"The output was begun with another {word}: expected "
                    f"{_show(begun)}, received {_show(received)}. Begin anew with "
                    "another output, or go on with what it was."
                )


def read_journal(folder: Path) -> Journal | None:
    """What the run is about whose output this folder is; None: there was none.

    Raises:
        BatchError: It cannot be read.
    """
    path = folder / FILENAME
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != FORMAT:
            raise BatchError(f"{path}: expected format {FORMAT}, received another")
        content.pop("complete", None)
        return Journal(**content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from error


def write_journal(
    folder: Path, journal: Journal, complete: dict[str, Any] | None = None
) -> None:
    """Leave word in a folder, whole or not at all.

    Args:
        folder: The output.
        journal: What the run is about.
        complete: Once all is there: what it came to.
    """
    content = {"format": FORMAT, **asdict(journal)}
    if complete is not None:
        content["complete"] = complete
    draft = folder / f".{FILENAME}"
    with draft.open("w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILENAME)
    sync_folder(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a folder to ourselves; the lock ends with this process, however it ends.

    Raises:
        BatchError: Another run is at it.
    """
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BatchError(
                f"{folder}: expected no other run with this output, there is one"
            ) from error
        yield


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _show(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 12 else f"{text[:12]}…"

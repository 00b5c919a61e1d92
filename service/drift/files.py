"""Bounded files of what was recorded: a folder a model, two files a process in it.

    <folder>/<model>/http-0.jsonl      written to
                     http-0.jsonl.old  what was, until that is full again

All are this user's alone. Whoever else may write into the folder can make nobody write
elsewhere: no link is followed, and what is no file of ours is left alone.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600
OLD = ".old"
ENDING = ".jsonl"
_OF_PROCESS = re.compile(r"http-(\d+)\.jsonl(\.old)?")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one of a process' two files of a model may hold.

    Attributes:
        bytes: Of it.
        rows: Lines in it.
    """

    bytes: int
    rows: int

    @classmethod
    def of(cls, most_bytes: int, most_rows: int, processes: int) -> "Bounds":
        """So that all files of all processes together hold no more than that."""
        files = 2 * processes
        return cls(max(1, most_bytes // files), max(1, most_rows // files))


class ModelFiles:
    """Writes the rows of one process.

    Args:
        folder: Of all models.
        process: Whose files they are, such as http-0.
        bounds: Of each file.
        processes: How many there are; files of others are left from before.
    """

    def __init__(self, folder: Path, process: str, bounds: Bounds, processes: int):
        self._folder, self._bounds = folder, bounds
        self._name, self._processes = f"{process}{ENDING}", processes
        self._rows: dict[str, tuple[int, int]] = {}  # size, rows: as we left them

    def append(self, model: str, lines: Sequence[bytes]) -> int:
        """Write lines to a model's file, as far as each fits into one at all.

        Returns:
            How many were too large.

        Raises:
            OSError: They, or some of them, are not written.
        """
        fitting = [each for each in lines if len(each) <= self._bounds.bytes]
        with self._open_folder(model) as folder:
            while fitting:
                written = self._append(folder, model, fitting)
                fitting = fitting[written:]
        return sum(len(each) > self._bounds.bytes for each in lines)

    @contextmanager
    def _open_folder(self, model: str) -> Iterator[int]:
        """The folder of a model, which nobody else writes to meanwhile."""
        if "/" in model or model in {"", ".", ".."}:
            raise OSError(f"no folder can be called {model!r}")
        self._folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        base = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(FileExistsError):
                os.mkdir(model, FOLDER_MODE, dir_fd=base)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            folder = os.open(model, flags, dir_fd=base)
        finally:
            os.close(base)
        try:
            _check_ours(os.fstat(folder))
            fcntl.flock(folder, fcntl.LOCK_EX)
            if model not in self._rows:
                self._tidy(folder)
            yield folder
        finally:
            os.close(folder)

    def _append(self, folder: int, model: str, lines: Sequence[bytes]) -> int:
        """Write as many lines as the file has room for; at least one, in a new one."""
        with _open_file(folder, self._name) as file:
            size, rows = self._measure(file, model)
            written, content = self._fill(size, rows, lines)
            if written:
                _write(file, size, content)
                size, rows = size + len(content), rows + written
            self._rows[model] = size, rows
        if not written:
            self._rotate(folder, size)
            self._rows[model] = 0, 0
        return written

    def _fill(self, size: int, rows: int, lines: Sequence[bytes]) -> tuple[int, bytes]:
        written, content = 0, bytearray()
        for line in lines:
            if rows + written >= self._bounds.rows:
                break
            if size + len(content) + len(line) > self._bounds.bytes:
                break
            content += line
            written += 1
        return written, bytes(content)

    def _measure(self, file: int, model: str) -> tuple[int, int]:
        """Bytes and rows of a file, which ends with a whole line from now on."""
        size = os.fstat(file).st_size
        known = self._rows.get(model)
        if known is not None and known[0] == size:
            return known
        if size > self._bounds.bytes:
            return size, self._bounds.rows  # from other bounds: full
        rows, whole, at = 0, 0, 0
        while piece := os.pread(file, _PIECE, at):
            rows += piece.count(b"\n")
            end = piece.rfind(b"\n")
            whole = at + end + 1 if end >= 0 else whole
            at += len(piece)
        if whole < at:  # a process was killed, or the disk was full, within a line
            os.ftruncate(file, whole)
        return whole, rows

    def _rotate(self, folder: int, size: int) -> None:
        if size > self._bounds.bytes:
            os.unlink(self._name, dir_fd=folder)
        else:
            os.rename(
                self._name, self._name + OLD, src_dir_fd=folder, dst_dir_fd=folder
            )

    def _tidy(self, folder: int) -> None:
        """Take away what earlier settings have left: of processes that are no more."""
        for name in os.listdir(folder):
            found = _OF_PROCESS.fullmatch(name)
            if found is None:
                continue
            is_foreign = int(found[1]) >= self._processes
            with suppress(OSError):
                size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
                is_large = name == self._name + OLD and size > self._bounds.bytes
                if is_foreign or is_large:
                    os.unlink(name, dir_fd=folder)


@contextmanager
def _open_file(folder: int, name: str) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    file = os.open(name, flags | os.O_CLOEXEC, FILE_MODE, dir_fd=folder)
    try:
        found = os.fstat(file)
        _check_ours(found)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(f"{name} is no file of ours")
        if stat.S_IMODE(found.st_mode) != FILE_MODE:
            os.fchmod(file, FILE_MODE)
        yield file
    finally:
        os.close(file)


def _check_ours(found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise PermissionError("it is another user's")


def _write(file: int, size: int, content: bytes) -> None:
    """Write all of it, or nothing.

    Raises:
        OSError: The disk is full, or broken.
    """
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise

"""What was compiled and decided for this processor, so that a second start need not.

    <folder>/<key>/record.json      what computes the version, and why
                   golden.npz       the samples that it is compared by
                   <signature>….    what was compiled

Graphs that TensorFlow computes have an entry of their own: see `kept_graphs`.

The key is made of the version's content and of all that changes what comes out:
processor, runtimes, threads. An entry that is damaged is as if there were none. Several
services may share a folder, and it may hold other things.
"""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field, ValidationError

from service.contract import manifest
from service.contract.compilation import RuntimeChoice
from service.contract.contract import Contract
from service.contract.integrity import hash_files
from service.contract.signature import Frozen
from service.engine.compute.runtime import Loaded

logger = logging.getLogger(__name__)

LAYOUT = 5  # of an entry; another one is another key
RECORD = "record.json"
KEPT_S = 30 * 24 * 3600  # since an entry was used last
KEY = re.compile("[0-9a-f]{32}")
DRAFT = ".draft-"  # begins the name of an entry that is being made
DRAFT_S = 24 * 3600  # after which nobody is at work on it any more
READABLE = 0o755  # by the service of another user too, in an image above all
CPUINFO = Path("/proc/cpuinfo")


class Record(Frozen):
    """What is kept of one version."""

    key: str = Field(description="of the entry: in another's place it counts nothing")
    choice: RuntimeChoice
    files: dict[str, str] = Field(description="path → SHA-256, all files but this one")


class CompiledCache:
    """A folder of entries. Missing, read-only or full, it is no error.

    Args:
        folder: Where; None = nothing is kept.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder

    def key(self, folder: Path, contract: Contract, *conditions: str) -> str:
        """Of what is compiled for this processor, by its content and conditions."""
        runtimes = (version("openvino"), _find_tensorflow())
        return _key(folder, contract, *runtimes, describe_processor(), *conditions)

    def portable_key(self, folder: Path, contract: Contract, *conditions: str) -> str:
        """Of what any processor takes."""
        return _key(folder, contract, _find_tensorflow(), *conditions)

    def peek(self, key: str) -> RuntimeChoice | None:
        """What was decided, by an entry that may yet turn out to be damaged."""
        if self._folder is None:
            return None
        try:
            return _read_record(self._folder / key).choice
        except (OSError, ValidationError):
            return None

    def find(self, key: str) -> tuple[Path, RuntimeChoice] | None:
        """An entry that is whole, and what was decided."""
        if self._folder is None:
            return None
        entry = self._folder / key
        try:
            record = _read_record(entry)
            found = hash_files(entry)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            logger.warning("%s is damaged, and is made anew", entry)
            return None
        if found.pop(RECORD, None) is None:  # another service puts it there anew
            return None
        if found != record.files or record.key != key:
            logger.warning("%s is damaged, and is made anew", entry)
            return None
        with suppress(OSError):
            os.utime(entry)
        return entry, record.choice

    def keep(self, key: str, decide: Callable[[Path], Loaded]) -> Loaded:
        """Decide, and keep what was decided and compiled: whole, or not at all.

        Args:
            key: Of the entry.
            decide: Writes what is to be kept into a folder; called again with one
                elsewhere where that cannot be written.

        Raises:
            OSError: No folder can be written at all.
        """
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                _forget_unused(self._folder)
                with _draft(self._folder) as draft:
                    loaded = decide(draft)
                    if loaded.choice is not None:
                        if loaded.choice.name == "tensorflow":
                            _empty(draft)  # what was compiled is of no use
                        _put(draft, self._folder / key, loaded.choice)
                    return loaded
            except OSError as error:
                logger.info("what was compiled cannot be kept: %s", error)
        with _draft(None) as draft:
            return decide(draft)

    def store(
        self, key: str, choice: RuntimeChoice, write: Callable[[Path], object]
    ) -> None:
        """Keep what `write` writes into a folder, where there is one for it.

        Raises:
            OSError: It cannot be written.
            Exception: What `write` raises.
        """
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _draft(self._folder) as draft:
                write(draft)
                _put(draft, self._folder / key, choice)


def describe_processor(cpuinfo: Path = CPUINFO) -> str:
    """Model and abilities of the first processor."""
    try:
        lines = cpuinfo.read_text().split("\n\n")[0].splitlines()
    except OSError:
        return "unknown"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.startswith(wanted))


def _read_record(entry: Path) -> Record:
    return Record.model_validate_json((entry / RECORD).read_bytes())


def _key(folder: Path, contract: Contract, *conditions: str) -> str:
    content = (contract.model_dump_json(), _hash_content(folder))
    parts = (str(LAYOUT), *conditions, *content)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _find_tensorflow() -> str:
    """The version of the first of its packages that is installed."""
    for package in ("tensorflow", "tensorflow-cpu"):
        with suppress(PackageNotFoundError):
            return f"{package} {version(package)}"
    return "none"


def _hash_content(folder: Path) -> str:
    """Of what is computed; a manifest lists the hashes of all, which were verified."""
    try:
        content = (folder / manifest.FILENAME).read_bytes()
    except FileNotFoundError:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        files = [(path, path.stat()) for path in paths]
        seen = [(path, each.st_size, each.st_mtime_ns) for path, each in files]
        content = _hash_unchanged(folder, tuple(seen))
    return hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=64)
def _hash_unchanged(folder: Path, seen: tuple[tuple[Path, int, int], ...]) -> bytes:
    """Of all files, once while they are as they were seen; it is asked twice."""
    return repr(hash_files(folder)).encode()


@contextmanager
def _draft(folder: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards, unless it has got another name."""
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, entry: Path, choice: RuntimeChoice) -> None:
    """Put a draft in an entry's place, unless that fails: another one was quicker."""
    try:
        files = hash_files(draft)
        record = Record(key=entry.name, choice=choice, files=files)
        (draft / RECORD).write_text(record.model_dump_json(indent=2))
        draft.chmod(READABLE)
        shutil.rmtree(entry, ignore_errors=True)
        draft.rename(entry)
    except OSError as error:
        logger.info("%s cannot be kept: %s", entry, error)


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _forget_unused(folder: Path) -> None:
    """Remove what is ours and old; whatever else lies there is somebody's."""
    now = time.time()
    for entry in folder.iterdir():
        kept_s = DRAFT_S if entry.name.startswith(DRAFT) else KEPT_S
        if not entry.name.startswith(DRAFT) and not KEY.fullmatch(entry.name):
            continue
        with suppress(OSError):
            if entry.stat().st_mtime < now - kept_s:
                shutil.rmtree(entry)

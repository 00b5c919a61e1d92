"""Bring a data set's files here from wherever they can be had, and check them.

    the user's folder ── found ──▶ verify ──▶ bytes
         │ missing                   ✗ CorruptedData
         ▼
    each source in turn ─────────▶ verify ──▶ write to the folder ──▶ bytes
         │ all failed                ✗ the next source
         ▼
      DataUnavailable, with the reason of each source

SHA-256 is taken over the uncompressed content, so a re-compressed copy passes.
"""

import gzip
import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from tqdm import tqdm

log = logging.getLogger(__name__)

DEFAULT_DATA_DIR = Path.home() / ".cache" / "servery"
_TIMEOUT = httpx.Timeout(30, connect=4)  # an unreachable source must fail quickly
_GZIP_MAGIC = b"\x1f\x8b"


class SourceFailed(Exception):
    """One source could not deliver; the next one is asked."""


class CorruptedData(ValueError):
    """A file's content is not the one that its SHA-256 promises."""


class DataUnavailable(RuntimeError):
    """No source could deliver; the message says which files to put where."""


class Source(Protocol):
    """Somewhere a data set can be had from."""

    @property
    def name(self) -> str:
        """What the user reads: a site or a package."""

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Bring the named files, gzipped or not.

        Raises:
            SourceFailed: Any of them could not be had.
        """


@dataclass(frozen=True, slots=True)
class Website:
    """Files below one address, each gzipped as `<name>.gz` or with another suffix."""

    url: str
    suffix: str = ".gz"

    @property
    def name(self) -> str:
        """The address itself."""
        return self.url

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Download each file, showing a progress bar."""
        try:
            with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
                return {name: self._download(client, name) for name in names}
        except httpx.HTTPError as error:
            raise SourceFailed(
                f"{self.url}: {error or type(error).__name__}"
            ) from error

    def _download(self, client: httpx.Client, name: str) -> bytes:
        content = bytearray()
        with client.stream("GET", f"{self.url}/{name}{self.suffix}") as response:
            response.raise_for_status()
            length = int(response.headers.get("Content-Length", 0)) or None
            with tqdm(total=length, unit="B", unit_scale=True, desc=name) as bar:
                for chunk in response.iter_raw():
                    content += chunk
                    bar.update(len(chunk))
        return bytes(content)


def obtain(
    files: Mapping[str, str], sources: Sequence[Source], folder: Path
) -> dict[str, bytes]:
    """Give the verified, uncompressed content of every file of a data set.

    Args:
        files: name → SHA-256 of the uncompressed content, in hexadecimal.
        sources: where to look for what is not in `folder`, in this order.
        folder: where the user's copies lie (`<name>` or `<name>.gz`), and where
            fetched files are kept.

    Raises:
        CorruptedData: A file in `folder` has another content than promised.
        DataUnavailable: A file is not in `folder` and no source delivered it.
    """
    contents = {
        name: _read_verified(path, digest)
        for name, digest in files.items()
        if (path := _find(folder, name)) is not None
    }
    missing = {name: files[name] for name in files if name not in contents}
    if missing:
        fetched = _fetch_from_any(missing, sources, folder)
        for name, content in fetched.items():
            _write_atomically(folder / name, content)
        contents |= fetched
    return {name: contents[name] for name in files}


def obtain_copy(files: Mapping[str, str], folder: Path, advice: str) -> bytes:
    """Give the content of a data set of one file, which has no source to fetch from.

    Args:
        files: its name → SHA-256, as of `obtain`.
        folder: where the user's copy lies.
        advice: how to come by one.

    Raises:
        CorruptedData: The file in `folder` has another content.
        DataUnavailable: There is none; the message ends with `advice`.
    """
    try:
        (content,) = obtain(files, (), folder).values()
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}\n{advice}") from error
    return content


def verify(what: str, content: bytes, expected: str) -> bytes:
    """Return `content` if its SHA-256 is the expected one.

    Raises:
        CorruptedData: It is not; the message has both digests.
    """
    received = hashlib.sha256(content).hexdigest()
    if received != expected:
        raise CorruptedData(
            f"{what}: content is not the known data set; "
            f"expected SHA-256 {expected}, received {received}"
        )
    return content


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read_verified(path: Path, digest: str) -> bytes:
    try:
        return verify(str(path), _decompress(path.read_bytes()), digest)
    except CorruptedData as error:
        raise CorruptedData(f"{error}. Delete the file to fetch it again.") from error


def _decompress(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError):
        return content  # broken: let its SHA-256 say so


def _fetch_from_any(
    files: Mapping[str, str], sources: Sequence[Source], folder: Path
) -> dict[str, bytes]:
    reasons = []
    for source in sources:
        log.info("Fetching %s from %s", ", ".join(files), source.name)
        try:
            received = source.fetch(files)
            return {
                name: verify(
                    f"{source.name}: {name}", _decompress(content), files[name]
                )
                for name, content in received.items()
            }
        except (SourceFailed, CorruptedData) as error:
            log.warning("%s", error)
            reasons.append(f"  - {error}")
    raise DataUnavailable(
        f"No source delivered {', '.join(files)}:\n"
        + "\n".join(reasons or ["  - no source is known"])
        + f"\nPut these files (plain or .gz) into {folder} and start again."
    )


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)

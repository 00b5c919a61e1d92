"""Looks at the artifacts folder again and again, and says what it finds odd, once."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from service.engine.catalog import VersionState
from service.engine.disk import Scan, scan_artifacts
from service.engine.reconciler import Key, Known, OnDisk

logger = logging.getLogger(__name__)


class Watcher:
    """What lies in a folder, and whether it was the same at the last look.

    Args:
        artifacts: The folder.
    """

    def __init__(self, artifacts: Path):
        self._artifacts = artifacts
        self._contents: dict[Key, str] | None = None  # at the last look
        self._errors = SaidOnce(logging.ERROR)
        self._warnings = SaidOnce(logging.WARNING)

    async def look(self, known: Mapping[Key, Known]) -> tuple[Scan, dict[Key, OnDisk]]:
        """What lies there, and each version with whether its files have come to rest.

        At the first look all have: a start does not wait.

        Args:
            known: What the engine has, to say what differs from it.
        """
        scan = await asyncio.to_thread(scan_artifacts, self._artifacts)  # may be slow
        if not scan.versions and scan.readable:
            scan = replace(scan, problem="the artifacts folder holds no model")
        folders = {
            (name, version): folder
            for name, versions in scan.versions.items()
            for version, folder in versions.items()
        }
        before = self._contents
        on_disk = {
            key: OnDisk(
                folder.fingerprint,
                stable=before is None or before.get(key) == folder.contents,
            )
            for key, folder in folders.items()
        }
        if scan.readable:
            self._contents = {key: each.contents for key, each in folders.items()}
        self._say(scan, on_disk, known)
        return scan, on_disk

    def _say(
        self, scan: Scan, on_disk: Mapping[Key, OnDisk], known: Mapping[Key, Known]
    ) -> None:
        problem, path = scan.problem, self._artifacts.absolute()
        self._errors.say([f"{path}: {problem}"] if problem else [])
        if scan.readable:
            notes = [
                f"{name}: {note}" for name, each in scan.notes.items() for note in each
            ]
            self._warnings.say([*notes, *_differences(on_disk, known)])


def _differences(
    on_disk: Mapping[Key, OnDisk], known: Mapping[Key, Known]
) -> Iterator[str]:
    """A version is what it was when it was published: no change reaches memory."""
    for (name, version), each in known.items():
        if each.state is VersionState.READY:
            found = on_disk.get((name, version))
            if found is None:
                yield f"{name} {version} is not on disk any more; it goes on serving"
            elif found.fingerprint != each.fingerprint:
                yield (
                    f"{name} {version}: its files have changed; those that were loaded "
                    "go on serving. Publish changes as a new version"
                )


class SaidOnce:
    """Logs a message when it becomes true, and again only after it was not."""

    def __init__(self, level: int):
        self._level = level
        self._said: set[str] = set()

    def say(self, messages: Iterable[str]) -> None:
        """These are true now."""
        now = set(messages)
        for message in sorted(now - self._said):
            logger.log(self._level, message)
        self._said = now

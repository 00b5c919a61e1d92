"""Which version was at work when an engine died, so that it does not kill the next.

An engine writes what each version is doing into memory that its successor reads; of
versions that live in another process it sees that end itself, and blames by the same
rules. A version that was at work at too many deaths is in quarantine: it is not loaded,
and all others serve. Another load in a process of its own would have found the same
only for versions that die while loading, for five seconds and half a gigabyte a time.

Which of several versions killed a process while they computed is not known after one
death. So those that were at work, the suspects, compute one at a time from then on, and
the next death tells.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel

from service.engine.activity import (
    IDLE,
    LOADING,
    MOST_VERSIONS,
    Marker,
    Page,
    open_page,
)
from service.engine.ended import ProcessEnd
from service.engine.reconciler import Key

logger = logging.getLogger(__name__)

ENGINE = "the engine"
HARMLESS = (0, -signal.SIGTERM, -signal.SIGINT)  # ends of an engine
MOST_RECORD_BYTES = 1 << 18  # of what engines leave word of; some hundreds of versions
VMSTAT = Path("/proc/vmstat")  # counts what the kernel killed for memory


class Death(BaseModel):
    """A version was at work when the process died in which it was.

    Attributes:
        process: Which one that was.
        doing: What it did.
        at: `time.monotonic()`, which is one clock for all processes.
        weight: 1, or less where the version may well be innocent.
        ended: How the process died.
        last_words: The last lines that it wrote to stderr.
    """

    process: str = ENGINE
    model: str
    version: int
    fingerprint: str
    doing: Literal["loading", "computing"]
    at: float
    weight: float
    ended: str
    last_words: str = ""


class _Slot(BaseModel):
    model: str
    version: int
    fingerprint: str


class _Record(BaseModel):
    oom_kills: int
    slots: dict[int, _Slot]
    deaths: list[Death]


class CrashJournal:
    """Remembers the deaths of engines for as long as the service runs.

    Args:
        file: A descriptor that the engines of one service share: first a page of what
            each version is doing, then a record of which versions these are and what
            died before. None: in this process only.
        most: Deaths after which a version is in quarantine.
        window_s: Seconds for which a death counts.
    """

    def __init__(self, file: int | None, most: int, window_s: float):
        self._file, self._most, self._window_s = file, most, window_s
        self._page: Page = bytearray(MOST_VERSIONS)
        self._slots: dict[int, _Slot] = {}
        self._deaths: list[Death] = []
        self._oom_kills = count_oom_kills()
        self._alone = asyncio.Lock()

    def take_over(self, code: int | None, last_words: str) -> None:
        """Read what the predecessor was doing when it died, and start a new page.

        Args:
            code: Its exit code, negative for a signal; None for the first engine.
            last_words: The last lines that it wrote to stderr.
        """
        if self._file is None:
            return
        page = os.pread(self._file, MOST_VERSIONS, 0)
        record = os.pread(self._file, MOST_RECORD_BYTES, MOST_VERSIONS)
        with suppress(ValueError, IndexError):  # there is none yet
            found = _Record.model_validate_json(record.rstrip(b"\0"))
            doing = {slot: page[slot] for slot in found.slots}
            ended = _End(ENGINE, code, last_words, found.oom_kills, HARMLESS)
            self._deaths = found.deaths + _explain(found.slots, doing, ended)
        try:
            self._page = open_page(self._file)
        except OSError:
            logger.exception("crashes cannot be traced to a version")
        self._save()

    def blame(self, end: ProcessEnd, markers: Iterable[Marker]) -> None:
        """Another process of this engine's died, which nobody had told to end.

        Args:
            end: How.
            markers: Of the versions that it was at work for.
        """
        known = [each for each in markers if each.slot in self._slots]  # we may leave
        doing = {each.slot: each.doing for each in known}
        ended = _End(end.name, end.code, end.last_words, self._oom_kills, ())
        self._deaths += _explain(self._slots, doing, ended)
        self._oom_kills = count_oom_kills()  # this one was not ours
        self._save()

    def open(self, key: Key, fingerprint: str) -> Marker:
        """A marker for a version that is about to be loaded."""
        slot = next(each for each in range(MOST_VERSIONS) if each not in self._slots)
        self._slots[slot] = _Slot(model=key[0], version=key[1], fingerprint=fingerprint)
        self._save()
        suspect = self.weight(key, fingerprint) > 0
        return Marker(self._page, slot, self._alone if suspect else None)

    def close(self, marker: Marker) -> None:
        """The version is in memory no more."""
        marker.rest()
        self._slots.pop(marker.slot, None)
        self._save()

    def absolve(self, key: Key) -> None:
        """A version was loaded after all: that it died while loading was chance."""
        self._deaths = [
            each
            for each in self._deaths
            if (each.model, each.version) != key or each.doing != "loading"
        ]
        self._save()

    def leave(self) -> None:
        """This engine ends in peace, whatever it is doing."""
        self._slots.clear()
        self._save()

    def record(self, death: Death) -> None:
        """Count one more death."""
        self._deaths.append(death)
        self._save()

    def weight(self, key: Key, fingerprint: str) -> float:
        """How often a version died of late, with these files."""
        return sum(each.weight for each in self._of(key, fingerprint))

    def quarantined(self, key: Key, fingerprint: str) -> Death | None:
        """The last death of a version that died too often with these files."""
        if self.weight(key, fingerprint) < self._most:
            return None
        return self._of(key, fingerprint)[-1]

    def describe(self, death: Death) -> str:
        """Why a version is in quarantine, of which this is the last death."""
        key = (death.model, death.version)
        text = (
            f"{death.process} died {len(self._of(key, death.fingerprint))} times while "
            f"this version was {death.doing}, at last {death.ended}; it is tried again "
            "when its files change, or when the service is started anew"
        )
        return f"{text}. Last words: {death.last_words}" if death.last_words else text

    def _of(self, key: Key, fingerprint: str) -> list[Death]:
        since = time.monotonic() - self._window_s
        return [
            each
            for each in self._deaths
            if (each.model, each.version, each.fingerprint) == (*key, fingerprint)
            and each.at >= since
        ]

    def _save(self) -> None:
        """Leave word for the successor: in one call, so it is whole or not at all."""
        if self._file is None:
            return
        since = time.monotonic() - self._window_s
        self._deaths = [each for each in self._deaths if each.at >= since]
        record = _Record(
            oom_kills=self._oom_kills, slots=self._slots, deaths=self._deaths
        )
        content = record.model_dump_json().encode().ljust(MOST_RECORD_BYTES, b"\0")
        try:
            os.pwrite(self._file, content[:MOST_RECORD_BYTES], MOST_VERSIONS)
        except OSError:
            logger.exception("crashes cannot be traced to a version")


def count_oom_kills() -> int:
    """How many processes the kernel has killed for memory since it started."""
    with suppress(OSError, ValueError, IndexError):
        return int(VMSTAT.read_text().split("oom_kill ")[1].split()[0])
    return 0


class _End(NamedTuple):
    """How a process ended, and which ends of it are nobody's fault."""

    process: str
    code: int | None
    last_words: str
    oom_kills: int  # that were counted before
    harmless: tuple[int, ...]


def _explain(
    slots: Mapping[int, _Slot], doing: Mapping[int, int], end: _End
) -> list[Death]:
    """The deaths of those that were at work; if one was loading, it was that one."""
    busy = {slot: each for slot, each in doing.items() if each != IDLE}
    if LOADING in busy.values():
        busy = {slot: each for slot, each in busy.items() if each == LOADING}
    out_of_memory = count_oom_kills() > end.oom_kills
    deaths = []
    for slot, each in busy.items():
        weight = _weight(each, end, out_of_memory=out_of_memory)
        if weight:
            deaths.append(
                Death(
                    **slots[slot].model_dump(),
                    process=end.process,
                    doing="loading" if each == LOADING else "computing",
                    at=time.monotonic(),
                    weight=weight,
                    ended=describe_end(end.code, out_of_memory=out_of_memory),
                    last_words=end.last_words,
                )
            )
    return deaths


def _weight(doing: int, end: _End, *, out_of_memory: bool) -> float:
    """How likely it is the version's doing.

    Somebody who kills processes is no fault of a version, but from within it looks the
    same as a version that kills its own process: half a fault while it is loaded.
    """
    if end.code in end.harmless:
        return 0
    if end.code == -signal.SIGKILL and not out_of_memory:
        return 0.5 if doing == LOADING else 0
    return 1


def describe_end(code: int | None, *, out_of_memory: bool = False) -> str:
    """How a process ended, in words."""
    if code is None:
        return "for an unknown reason"
    if code >= 0:
        return f"with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"by {name}, out of memory" if out_of_memory else f"by {name}"
    return f"by signal {-code}"

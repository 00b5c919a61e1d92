"""What is to be done so that the right versions are in memory. Pure: facts → actions.

    on disk ─┐
    known   ─┼─▶ decide ─▶ forget, retire, load
    wanted  ─┘

The newest versions that can be loaded serve, as many as are to be kept, however many
lie above them that cannot. One that serves goes only when as many newer ones serve too,
so neither a version that fails to load nor a disk that vanishes takes a serving one
away. Versions that are held serve beside them, whichever they are; those that somebody
has unloaded go at once.

The engine carries the actions out and asks again, until there is nothing left to load:
a version that fails is known as failed then, and the next one below is tried.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from service.engine.catalog import VersionState

Key = tuple[str, int]  # model, version
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A version that lies on disk.

    Attributes:
        fingerprint: Of its files.
        stable: Whether they were the same at the last look, so nobody is copying them.
    """

    fingerprint: str
    stable: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """A version that the engine has, or has tried to load.

    Attributes:
        state: Where it stands.
        fingerprint: Of its files when it was loaded, or failed.
    """

    state: VersionState
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Retention:
    """Which versions of a model are to be in memory.

    Attributes:
        newest: How many of the newest.
        held: These too.
        barred: But never these.
        emptied: Whether all others go even if none of these serves.
    """

    newest: int
    held: frozenset[int] = frozenset()
    barred: frozenset[int] = frozenset()
    emptied: bool = False


class Do(StrEnum):
    """What can be done with a version."""

    LOAD = "load"
    RETIRE = "retire"
    FORGET = "forget"


class Action(NamedTuple):
    """One thing to do."""

    do: Do
    key: Key


def decide(
    on_disk: Mapping[Key, OnDisk],
    known: Mapping[Key, Known],
    retention: Callable[[str], Retention],
) -> list[Action]:
    """What to do about every model.

    Args:
        on_disk: What lies there now.
        known: What the engine knows.
        retention: Says of each model which versions are to be in memory.

    Returns:
        What to forget, what to retire, what to load: first the newest version of every
        model, then their second newest, and so on.
    """
    disks, memories = _by_model(on_disk), _by_model(known)
    loads: list[tuple[int, Action]] = []
    others: list[Action] = []
    for name in sorted(disks.keys() | memories.keys()):
        disk, memory = disks.get(name, {}), memories.get(name, {})
        kept = retention(name)
        others += [Action(Do.FORGET, (name, each)) for each in _gone(disk, memory)]
        others += [Action(Do.RETIRE, (name, each)) for each in _surplus(memory, kept)]
        loads += [
            (rank, Action(Do.LOAD, (name, version)))
            for rank, version in _missing(disk, memory, kept)
        ]
    loads.sort(key=lambda each: each[0])
    return [*others, *(action for _, action in loads)]


def _by_model(versions: Mapping[Key, T]) -> dict[str, dict[int, T]]:
    models: dict[str, dict[int, T]] = {}
    for (name, version), each in versions.items():
        models.setdefault(name, {})[version] = each
    return models


def _gone(disk: Mapping[int, OnDisk], memory: Mapping[int, Known]) -> list[int]:
    """Versions that failed and were taken away."""
    return [
        version
        for version, known in memory.items()
        if known.state is VersionState.FAILED and version not in disk
    ]


def _serving(memory: Mapping[int, Known]) -> list[int]:
    """The versions that serve, rising."""
    ready = VersionState.READY
    return sorted(version for version, each in memory.items() if each.state is ready)


def _surplus(memory: Mapping[int, Known], kept: Retention) -> list[int]:
    """Versions that serve although others do that are to, or that nobody wants."""
    serving = _serving(memory)
    allowed = [version for version in serving if version not in kept.barred]
    newest = allowed[max(0, len(allowed) - kept.newest) :]
    staying = {*newest, *kept.held.intersection(allowed)}
    if not staying and not kept.emptied:
        staying = set(allowed)
    return [version for version in serving if version not in staying]


def _missing(
    disk: Mapping[int, OnDisk], memory: Mapping[int, Known], kept: Retention
) -> Iterator[tuple[int, int]]:
    """Rank and number of each version that should serve, and does not yet."""
    serving = set(_serving(memory))
    rank = 0
    for version in sorted(disk.keys() | serving, reverse=True):
        held = version in kept.held
        if version in kept.barred or not (held or rank < kept.newest):
            continue
        if version in serving:
            rank += 1
        elif _can_be_loaded(disk[version], memory.get(version)):
            yield 0 if held else rank, version
            rank += 1


def _can_be_loaded(disk: OnDisk, known: Known | None) -> bool:
    """Whether a version is whole, and has not failed with these very files."""
    if not disk.stable:
        return False
    if known is None:
        return True
    failed = known.state is VersionState.FAILED
    return failed and known.fingerprint != disk.fingerprint

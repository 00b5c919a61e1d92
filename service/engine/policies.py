"""What is wanted of every model now: models.toml, and what was said since."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.contract.policy import (
    FILENAME,
    Latest,
    ModelPolicy,
    Policies,
    PolicyError,
    read_policies,
)
from service.engine.overrides import Overrides
from service.engine.reconciler import Retention
from service.watched import WatchedFile

logger = logging.getLogger(__name__)

ALL = 2**32  # more versions than there can be


class PolicySource:
    """Reads models.toml whenever it has changed; a broken one leaves the last in force.

    Args:
        artifacts: The folder in which it lies, or not.
        kept: How many of the newest versions are in memory where nothing is said.
        overrides: What commands have said.

    Attributes:
        broken: What is wrong with the file as it lies there.
        overrides: See above.
    """

    def __init__(self, artifacts: Path, kept: int, overrides: Overrides):
        self._path = artifacts / FILENAME
        self._kept = kept
        self.overrides = overrides
        self.broken: str | None = None
        self._policies = Policies()
        self._file = WatchedFile(self._path)

    def look(self) -> None:
        """Read the file if it has changed. May take as long as the disk does."""
        if self._file.has_changed():
            self.read()

    def read(self) -> None:
        """Read the file."""
        try:
            policies = read_policies(self._path)
        except PolicyError as error:
            self.broken = str(error)
            logger.error("%s; what it said before holds", error)
            return
        self.broken = None
        if policies != self._policies:
            self._policies = policies
            logger.info("%s is in force: %s", FILENAME, ", ".join(policies.models))

    def of(self, name: str) -> ModelPolicy:
        """What is wanted of a model."""
        return self.overrides.of(name).apply(self.said(name))

    def said(self, name: str) -> ModelPolicy:
        """What the file says of it."""
        return self._policies.models.get(name, _NOTHING)

    def retention(self, name: str, labels: Mapping[str, int]) -> Retention:
        """Which versions are to be in memory.

        Args:
            name: The model's.
            labels: Where labels are: each keeps its version until it has moved.
        """
        policy, said = self.of(name), self.overrides.of(name)
        loaded, barred = frozenset(said.loaded), frozenset(said.barred)
        if said.unloaded:
            return Retention(0, loaded, barred, emptied=True)
        held = loaded | {*labels.values(), *policy.labels.values()}
        match policy.versions:
            case None:
                return Retention(self._kept, held, barred)
            case "all":
                return Retention(ALL, held, barred)
            case "latest":
                return Retention(1, held, barred)
            case Latest(latest=newest):
                return Retention(newest, held, barred)
            case versions:
                return Retention(0, held.union(versions), barred)

    def notes(self, name: str) -> list[str]:
        """What operators have said of a model that the file does not say."""
        said = self.overrides.of(name)
        if said.unloaded:
            return ["it was unloaded; a load takes it up again"]
        if said.barred:
            barred = ", ".join(map(str, sorted(said.barred)))
            return [f"unloaded: version {barred}; a load takes it up again"]
        return []

    def problem(self, known: Iterable[str]) -> str | None:
        """What is wrong with the file, which names a model that is not `known`, or is.

        Such a model may come later: what is said of the others holds.
        """
        if self.broken is not None:
            return self.broken
        unknown = sorted(self._policies.models.keys() - set(known))
        if not unknown:
            return None
        names = ", ".join(sorted(known)) or "none"
        received = ", ".join(map(repr, unknown))
        return (
            f"{FILENAME}: expected models that are there ({names}), received {received}"
        )


_NOTHING = ModelPolicy()

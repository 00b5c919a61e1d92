"""What commands have said beyond models.toml, for as long as the service runs.

Engines come and go meanwhile, so it is kept in memory that the supervisor hands to each
of them. Nothing is written to disk: what is to last belongs into models.toml.
"""

import logging
import os
from contextlib import suppress

from pydantic import BaseModel

from service.contract.policy import ModelPolicy, Versions

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 18  # of the record; some thousands of models


class LabelOverride(BaseModel):
    """A label that a command moved.

    Attributes:
        version: Where to; None: it is no label any more.
        instead_of: What the file said then. Once it says otherwise, the file holds.
    """

    version: int | None
    instead_of: int | None


class VersionsOverride(BaseModel):
    """The same, of the versions that are to be in memory."""

    versions: Versions
    instead_of: Versions | None


class ModelOverrides(BaseModel):
    """What commands have said of one model.

    Attributes:
        unloaded: Nothing is to be in memory but what is in `loaded`.
        barred: These versions are not to be.
        loaded: These are, whatever the policy says.
    """

    unloaded: bool = False
    barred: set[int] = set()
    loaded: set[int] = set()
    labels: dict[str, LabelOverride] = {}
    versions: VersionsOverride | None = None

    def apply(self, policy: ModelPolicy) -> ModelPolicy:
        """The policy with what was said since."""
        labels = dict(policy.labels)
        for label, said in self.labels.items():
            if said.instead_of == policy.labels.get(label):
                labels.pop(label, None)
                if said.version is not None:
                    labels[label] = said.version
        versions, canary = policy.versions, policy.canary
        if self.versions is not None and self.versions.instead_of == versions:
            versions = self.versions.versions
        if canary is not None and canary.label not in labels:
            canary = None
        return policy.model_copy(
            update={"labels": labels, "versions": versions, "canary": canary}
        )


_NOTHING = ModelOverrides()


class _Record(BaseModel):
    models: dict[str, ModelOverrides] = {}


class Overrides:
    """What commands have said of every model.

    Args:
        file: A descriptor that the engines of one service share; None: in this process
            only.
    """

    def __init__(self, file: int | None = None):
        self._file = file
        self._record = _Record()
        if file is not None:
            content = os.pread(file, MOST_BYTES, 0).rstrip(b"\0")
            with suppress(ValueError):  # there is none yet
                self._record = _Record.model_validate_json(content)

    def of(self, name: str) -> ModelOverrides:
        """What was said of a model; not to be changed."""
        return self._record.models.get(name, _NOTHING)

    def unloaded(self) -> list[str]:
        """The models of which nothing is to be in memory."""
        return [name for name, each in self._record.models.items() if each.unloaded]

    def put(self, name: str, overrides: ModelOverrides) -> None:
        """This holds from now on, for the engines to come too."""
        self._record.models[name] = overrides
        if self._file is None:
            return
        content = self._record.model_dump_json().encode()
        if len(content) > MOST_BYTES:
            logger.error("commands are too many to outlive an engine")
            return
        try:
            os.pwrite(self._file, content.ljust(MOST_BYTES, b"\0"), 0)
        except OSError:
            logger.exception("commands will not outlive this engine")

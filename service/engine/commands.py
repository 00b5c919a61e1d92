"""What an operator can tell a running engine, and what it says to that."""

from typing import Literal

from pydantic import Field

from service.contract.policy import Label, Number, Versions
from service.contract.signature import Frozen


class ModelConfig(Frozen):
    """What is to be in memory of a model, and under which labels.

    Attributes:
        versions: None: as models.toml says, or whoever said so last.
        labels: All that it is to have; None: as they are.
    """

    versions: Versions | None = None
    labels: dict[Label, Number] | None = None

    @property
    def named(self) -> set[int]:
        """The versions that it names by their number."""
        versions = self.versions if isinstance(self.versions, tuple) else ()
        return {*versions, *(self.labels or {}).values()}


class Command(Frozen):
    """One thing to do.

    Attributes:
        action: `load` and `unload` a version, or all of a model; `label` moves a label,
            or removes it where `version` is None; `rollback` moves `stable` to the
            version below the default; `configure` says it all of several models, or
            of none if one of them cannot be so; `reload` reads models.toml again.
    """

    action: Literal["load", "unload", "label", "rollback", "configure", "reload"]
    model: str = ""
    version: int | None = None
    label: str = ""
    configs: dict[str, ModelConfig] = Field(default_factory=dict)


class VersionOutcome(Frozen):
    """Where a version stands after a command."""

    version: int
    state: str = Field(description="loading, ready, draining or failed")
    reason: str | None = Field(None, description="why, where it failed")


class Outcome(Frozen):
    """What a command led to."""

    message: str = Field(description="what was done, in words")
    model: str | None = Field(None, description="the model; null if it was about none")
    default_version: int | None = Field(None, description="the one that answers now")
    labels: dict[str, int] = Field({}, description="the version of each label now")
    versions: tuple[VersionOutcome, ...] = ()

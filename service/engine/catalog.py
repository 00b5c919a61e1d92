"""What the engine holds, as everyone else sees it: models, versions, states."""

from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from service.contract.compilation import RuntimeChoice
from service.contract.contract import Contract
from service.contract.manifest import Manifest
from service.contract.policy import STABLE, ModelPolicy
from service.contract.reference import Reference
from service.errors import (
    LabelNotFound,
    ModelNotFound,
    ModelNotReady,
    VersionNotFound,
)


class VersionState(StrEnum):
    """Where a version stands. Only `ready` takes requests."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class VersionStatus(BaseModel):
    """One version of one model."""

    model_config = ConfigDict(frozen=True)

    version: int
    state: VersionState
    reason: str | None = Field(None, description="why, where the state is failed")
    manifest: Manifest | None = Field(
        None, description="what its author says of it, where there is any"
    )
    contract: Contract | None = Field(
        None, description="what can be asked of it, once it has been loaded"
    )
    runtime: RuntimeChoice | None = Field(
        None, description="what computes it and why, once it has been loaded"
    )
    reference: Reference | None = Field(
        None, description="what it answered in training; null = it is not counted"
    )


class ModelStatus(BaseModel):
    """All versions of one model that the engine knows, rising."""

    model_config = ConfigDict(frozen=True)

    name: str
    versions: tuple[VersionStatus, ...]
    notes: tuple[str, ...] = ()  # of what lies in its folder: ignored, or unreadable
    labels: dict[str, int] = Field({}, description="the version of each")
    policy: ModelPolicy = ModelPolicy()

    @cached_property
    def default(self) -> VersionStatus | None:
        """The version that answers if none is named.

        The one with the label `stable`, or else the newest, of those that are ready.
        """
        stable = self.by_label(STABLE)
        if stable is not None and stable.state is VersionState.READY:
            return stable
        ready = [each for each in self.versions if each.state is VersionState.READY]
        return ready[-1] if ready else None

    def by_label(self, label: str) -> VersionStatus | None:
        """The version that a label names."""
        version = self.labels.get(label)
        return next((each for each in self.versions if each.version == version), None)


class Catalog(BaseModel):
    """A snapshot of the engine. Immutable; a change makes a new one."""

    model_config = ConfigDict(frozen=True)

    settled: bool = Field(False, description="whether the first loading is over")
    problem: str | None = Field(None, description="what is wrong with the artifacts")
    policy_problem: str | None = Field(None, description="what is wrong with policies")
    responding: bool = Field(True, description="whether the engine gives signs of life")
    models: dict[str, ModelStatus] = {}

    def model(self, name: str) -> ModelStatus:
        """The model of this name.

        Raises:
            ModelNotFound: There is none.
            ModelNotReady: There may be one; the engine has yet to look.
        """
        if name not in self.models:
            if not self.settled:
                raise ModelNotReady("The models are being loaded; try again soon.")
            known = ", ".join(self.models) or "none"
            raise ModelNotFound(f"No model is named {name!r}; there are: {known}.")
        return self.models[name]

    def find(
        self, name: str, version: int | None, label: str | None = None
    ) -> VersionStatus:
        """The version that a request means.

        Args:
            name: The model's.
            version: None means the default: see `ModelStatus.default`.
            label: In place of a version, the label of one.

        Raises:
            ModelNotFound: No such model.
            VersionNotFound, LabelNotFound: No such version of it.
            ModelNotReady: It is there, and cannot answer.
        """
        model = self.model(name)
        if label is not None:
            version = _labelled(model, label)
        if version is None:
            if model.default is None:
                raise ModelNotReady(f"No version of {name} is ready: {_states(model)}.")
            return model.default
        for status in model.versions:
            if status.version == version:
                if status.state is not VersionState.READY:
                    raise ModelNotReady(f"{name} {version} is {status.state}.")
                return status
        known = ", ".join(str(each.version) for each in model.versions)
        raise VersionNotFound(
            f"{name} has no version {version} in memory; there are: {known}."
        )

    def manifest(self, name: str, version: int) -> Manifest | None:
        """The manifest of a version, if it is known here."""
        status = self._status(name, version)
        return status.manifest if status else None

    def contract(self, name: str, version: int) -> Contract | None:
        """The contract of a version that has been ready, if it is known here."""
        status = self._status(name, version)
        return status.contract if status else None

    def _status(self, name: str, version: int) -> VersionStatus | None:
        versions = self.models[name].versions if name in self.models else ()
        return next((each for each in versions if each.version == version), None)

    def problems(self) -> list[str]:
        """What stands between the engine and readiness; empty when it is ready.

        Ready means that the first loading is over and at least one model serves. Then
        every model does that has a version which can be loaded; one that has none, or a
        newest that is broken, is an alert, and no reason to take the others away.
        """
        missing = [
            f"{name}: {_states(model)}"
            for name, model in self.models.items()
            if model.default is None
        ]
        if not self.responding:
            return ["the engine does not respond", *missing]
        if not self.settled:
            return ["models are being loaded", *missing]
        if len(missing) < len(self.models):
            return []
        problem = [self.problem] if self.problem else []
        return [*problem, *missing] or ["there is no model"]


def _labelled(model: ModelStatus, label: str) -> int:
    if label not in model.labels:
        known = ", ".join(model.labels) or "none"
        raise LabelNotFound(f"{model.name} has no label {label!r}; there are: {known}.")
    return model.labels[label]


def _states(model: ModelStatus) -> str:
    states = [
        f"version {each.version} {each.state}"
        + (f" ({each.reason})" if each.reason else "")
        for each in model.versions
    ]
    return ", ".join([*states, *model.notes])

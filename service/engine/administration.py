"""Carries out what an operator tells a running engine."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from service.contract.policy import FILENAME, LABEL, STABLE
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.commands import (
    Command,
    ModelConfig,
    Outcome,
    VersionOutcome,
)
from service.engine.disk import Scan
from service.engine.overrides import LabelOverride, ModelOverrides, VersionsOverride
from service.engine.policies import PolicySource
from service.engine.statuses import Statuses
from service.errors import (
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    VersionNotFound,
)

logger = logging.getLogger(__name__)

MOST_LOGGED = 2000  # characters of a command
MOST_DRAINING_S = 10.0  # that a load waits for what is draining
LOOK_S = 0.02  # between two looks whether what drains is gone


class Administration:
    """Changes what is wanted, has memory follow, and says what came of it.

    Args:
        policies: What is wanted.
        statuses: What is there.
        reconcile: Looks at the disk and has memory follow.
    """

    def __init__(
        self,
        policies: PolicySource,
        statuses: Statuses,
        reconcile: Callable[[], Awaitable[Scan]],
    ):
        self._policies, self._statuses = policies, statuses
        self._reconcile = reconcile
        self._one_at_a_time = asyncio.Lock()

    async def carry_out(self, command: Command) -> Outcome:
        """Do what a command says, to its end.

        Raises:
            ModelNotFound, VersionNotFound: There is none, not on disk either.
            ModelNotReady: The version cannot be loaded; the message says why.
            InvalidInput: The command makes no sense.
        """
        actions = {
            "load": self._load,
            "unload": self._unload,
            "label": self._label,
            "rollback": self._roll_back,
            "configure": self._configure,
            "reload": self._reload,
        }
        async with self._one_at_a_time:
            given = command.model_dump_json(exclude_defaults=True)
            logger.info("an operator says %s", given[:MOST_LOGGED])
            message = await actions[command.action](command)
        return self._outcome(command.model, message)

    async def _load(self, command: Command) -> str:
        name, version = command.model, command.version
        await self._look_for(name, version)
        said = self._said(name)
        if version is None:
            said = ModelOverrides(labels=said.labels, versions=said.versions)
        else:
            said.barred.discard(version)
            said.loaded.add(version)
        before = self._said(name)
        self._try_again(name, {version} if version else None)
        await self._follow({name: said}, [(name, version)])
        try:
            found = self._catalog.find(name, version)
        except ModelNotReady as error:
            if version is not None:
                self._policies.overrides.put(name, before)
            raise ModelNotReady(_why(self._catalog, name, version)) from error
        return f"{name} {found.version} is ready"

    async def _unload(self, command: Command) -> str:
        name, version = command.model, command.version
        await self._look_for(name, version)
        said = self._said(name)
        if version is None:
            said.unloaded, said.loaded = True, set()
            await self._follow({name: said})
            return f"{name} is unloaded until it is loaded, or the service starts anew"
        wanted = {**self._policies.of(name).labels, **self._labels(name)}
        names = [label for label, each in wanted.items() if each == version]
        if names:
            raise InvalidInput(
                f"{name} {version} has the label {names[0]}; expected it to be moved "
                "or removed before the version is unloaded."
            )
        said.barred.add(version)
        said.loaded.discard(version)
        await self._follow({name: said})
        return (
            f"{name} {version} is unloaded until it is loaded, or the service starts "
            "anew"
        )

    async def _label(self, command: Command) -> str:
        name, label, version = command.model, command.label, command.version
        if not LABEL.fullmatch(label):
            raise InvalidInput(
                "label: expected letters, digits, dots, dashes and underscores, "
                f"received {label[:80]!r}."
            )
        if version is None:
            return await self._remove_label(name, label)
        await self._look_for(name, version)
        before, said = self._said(name), self._said(name)
        if version in said.barred:
            raise InvalidInput(
                f"{name} {version} was unloaded; expected it to be loaded first."
            )
        said.labels[label] = LabelOverride(
            version=version, instead_of=self._policies.said(name).labels.get(label)
        )
        await self._follow({name: said})
        if self._catalog.model(name).labels.get(label) != version:
            why = _why(self._catalog, name, version)
            await self._follow({name: before})
            raise ModelNotReady(f"The label {label} has not moved: {why}")
        return f"{label} is {name} {version} until the service starts anew{_LASTS}"

    async def _remove_label(self, name: str, label: str) -> str:
        said, policy = self._said(name), self._policies.of(name)
        self._catalog.model(name)
        if label not in policy.labels:
            known = ", ".join(policy.labels) or "none"
            raise InvalidInput(
                f"label: expected one of {name}'s ({known}), received {label!r}."
            )
        said.labels[label] = LabelOverride(
            version=None, instead_of=self._policies.said(name).labels.get(label)
        )
        await self._follow({name: said})
        return f"{name} has no label {label} until the service starts anew{_LASTS}"

    async def _roll_back(self, command: Command) -> str:
        """Move `stable` to the newest version below the default."""
        name = command.model
        model = self._catalog.model(name)
        scan = await self._reconcile()
        now = model.default.version if model.default else 2**32
        ready = [
            each.version
            for each in model.versions
            if each.state is VersionState.READY and each.version < now
        ]
        barred = self._said(name).barred
        on_disk = scan.versions.get(name, {}).keys() - barred
        below = ready or [each for each in on_disk if each < now]
        if not below:
            raise InvalidInput(
                f"{name} has no version below the one that answers; expected one in "
                "memory or on disk."
            )
        label = Command(action="label", model=name, label=STABLE, version=max(below))
        return await self._label(label)

    async def _configure(self, command: Command) -> str:
        """What TensorFlow Serving's clients say of models: all of it, or nothing.

        What is named is loaded beside what serves, which goes when all of it is ready.
        """
        configs = command.configs
        wanted = [(name, each) for name in configs for each in configs[name].named]
        scan = await self._reconcile()
        for name in configs:
            self._check_known(scan, name, None)
        for name, version in wanted:
            self._check_known(scan, name, version)
        before = {name: self._said(name) for name in configs}
        for name, config in configs.items():
            self._try_again(name, config.named)
        await self._follow(
            {name: self._beside(name, configs[name]) for name in configs}, wanted
        )
        problems = [
            _why(self._catalog, name, version)
            for name, version in wanted
            if not self._is_ready(name, version)
        ]
        if problems:
            await self._follow(before)
            raise ModelNotReady(f"All stays as it was: {'; '.join(problems)}")
        await self._follow(
            {name: self._configured(name, config) for name, config in configs.items()}
        )
        return f"{', '.join(configs)}: configured until the service starts anew{_LASTS}"

    def _beside(self, name: str, config: ModelConfig) -> ModelOverrides:
        """What is said of a model while what is named is loaded."""
        said = self._said(name)
        said.loaded |= config.named
        said.barred -= config.named
        return said

    def _configured(self, name: str, config: ModelConfig) -> ModelOverrides:
        """What is said of a model once it is configured."""
        said, file = self._said(name), self._policies.said(name)
        said.unloaded = False
        if config.versions is not None:
            said.barred, said.loaded = set(), set()
            said.versions = VersionsOverride(
                versions=config.versions, instead_of=file.versions
            )
        if config.labels is not None:
            said.labels = {
                label: LabelOverride(
                    version=config.labels.get(label), instead_of=file.labels.get(label)
                )
                for label in config.labels.keys() | file.labels.keys()
            }
        return said

    def _is_ready(self, name: str, version: int) -> bool:
        return any(
            each.version == version and each.state is VersionState.READY
            for each in self._versions(name)
        )

    async def _reload(self, command: Command) -> str:
        await asyncio.to_thread(self._policies.read)
        await self._reconcile()
        if self._policies.broken is not None:
            raise InvalidInput(f"{self._policies.broken}; what it said before holds.")
        return f"{FILENAME} is in force"

    async def _look_for(self, name: str, version: int | None) -> None:
        """Fail for what is neither in memory nor on disk."""
        self._check_known(await self._reconcile(), name, version)

    def _check_known(self, scan: Scan, name: str, version: int | None) -> None:
        on_disk = scan.versions.get(name, {})
        in_memory = [each.version for each in self._versions(name)]
        if not on_disk and not self._knows(name):
            known = ", ".join(sorted({*scan.versions, *self._catalog.models})) or "none"
            raise ModelNotFound(f"No model is named {name!r}; there are: {known}.")
        if version is not None and version not in {*on_disk, *in_memory}:
            known = ", ".join(map(str, sorted({*on_disk, *in_memory}))) or "none"
            raise VersionNotFound(
                f"{name} has no version {version}; there are: {known}."
            )

    def _try_again(self, name: str, versions: set[int] | None) -> None:
        """Forget that these versions failed, or that any has."""
        for each in self._versions(name):
            if each.state is VersionState.FAILED and (
                versions is None or each.version in versions
            ):
                self._statuses.remove((name, each.version))

    async def _follow(
        self,
        said: Mapping[str, ModelOverrides],
        wanted: Sequence[tuple[str, int | None]] = (),
    ) -> None:
        """Have memory follow what is said of models now.

        Args:
            said: What is said of each.
            wanted: What is to be loaded by it; no version means any. What is draining,
                and can be taken back no more, is loaded when it is gone, if that is
                soon: other commands wait.
        """
        for name, overrides in said.items():
            self._policies.overrides.put(name, overrides)
        await self._reconcile()
        if any(self._is_draining(*each) for each in wanted):
            await self._outlast(wanted)
            await self._reconcile()
        elif not all(self._is_known(*each) for each in wanted):
            await self._reconcile()
        self._statuses.publish()

    async def _outlast(self, wanted: Sequence[tuple[str, int | None]]) -> None:
        """Wait for what is draining to be gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_DRAINING_S):
                while any(self._is_draining(*each) for each in wanted):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)

    def _is_draining(self, name: str, version: int | None) -> bool:
        states = {
            each.state
            for each in self._versions(name)
            if version in (None, each.version)
        }
        return states == {VersionState.DRAINING}

    def _is_known(self, name: str, version: int | None) -> bool:
        known = [each.version for each in self._versions(name)]
        return bool(known) if version is None else version in known

    @property
    def _catalog(self) -> Catalog:
        return self._statuses.catalog

    def _knows(self, name: str) -> bool:
        return name in self._catalog.models

    def _versions(self, name: str) -> tuple[VersionStatus, ...]:
        return self._catalog.models[name].versions if self._knows(name) else ()

    def _labels(self, name: str) -> Mapping[str, int]:
        return self._catalog.models[name].labels if self._knows(name) else {}

    def _said(self, name: str) -> ModelOverrides:
        return self._policies.overrides.of(name).model_copy(deep=True)

    def _outcome(self, name: str, message: str) -> Outcome:
        model = self._catalog.models.get(name)
        if model is None:
            return Outcome(message=message, model=name or None)
        return Outcome(
            message=message,
            model=name,
            default_version=model.default.version if model.default else None,
            labels=model.labels,
            versions=_outcomes(model),
        )


_LASTS = f"; {FILENAME} makes it last"


def _outcomes(model: ModelStatus) -> tuple[VersionOutcome, ...]:
    return tuple(
        VersionOutcome(version=each.version, state=each.state, reason=each.reason)
        for each in model.versions
    )


def _why(catalog: Catalog, name: str, version: int | None) -> str:
    """Why a version, or any of a model, does not answer."""
    model = catalog.models.get(name)
    versions = model.versions if model else ()
    stands = [
        f"version {each.version} is {each.state}"
        + (f" ({each.reason})" if each.reason else "")
        for each in versions
        if version in (None, each.version)
    ]
    return f"{name}: {', '.join(stands) or 'nothing of it can be loaded'}."

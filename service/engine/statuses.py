"""The state of every version, and the catalog that everyone else sees of it."""

from collections.abc import Callable, Mapping

from service.contract.version import Version
from service.drift.reference_metrics import ReferenceMetrics
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.labels import describe, resolve
from service.engine.policies import PolicySource
from service.engine.reasons import for_strangers
from service.engine.reconciler import Key, Known
from service.metrics import Metrics

GONE = float("nan")  # of a series: no series of several processes can be taken away


class Statuses:
    """Knows where each version stands; counts and publishes every change.

    Args:
        metrics: Where states are counted.
        policies: What is wanted of each model.

    Attributes:
        catalog: The last that was published.
        on_change: Called with every new one.
    """

    def __init__(self, metrics: Metrics, policies: PolicySource):
        self._metrics, self._policies = metrics, policies
        self._references = ReferenceMetrics(metrics)
        self._statuses: dict[Key, VersionStatus] = {}
        self._fingerprints: dict[Key, str] = {}
        self._notes: Mapping[str, tuple[str, ...]] = {}
        self.catalog = Catalog()
        self.on_change: list[Callable[[Catalog], None]] = []

    def known(self) -> dict[Key, Known]:
        """What the engine knows of every version."""
        return {
            key: Known(status.state, self._fingerprints[key])
            for key, status in self._statuses.items()
        }

    def is_ready(self, key: Key) -> bool:
        """Whether a version takes requests."""
        status = self._statuses.get(key)
        return status is not None and status.state is VersionState.READY

    def set(
        self,
        key: Key,
        state: VersionState,
        *,
        fingerprint: str | None = None,
        reason: str | None = None,
        version: Version | None = None,
    ) -> None:
        """A version has this state now; what is None stays as it was known before."""
        before = self._statuses.get(key)
        manifest = contract = runtime = reference = None
        known = version if version is not None else before
        if known is not None:
            manifest, contract, runtime = known.manifest, known.contract, known.runtime
            reference = known.reference
        if runtime is not None:
            told = {"reason": for_strangers(runtime.reason)}
            runtime = runtime.model_copy(update=told)
        if before is not None:
            self._count(before, key, 0)
        if fingerprint is not None:
            self._fingerprints[key] = fingerprint
        status = VersionStatus(
            version=key[1],
            state=state,
            reason=for_strangers(reason) if reason is not None else None,
            manifest=manifest,
            contract=contract,
            runtime=runtime,
            reference=reference,
        )
        self._statuses[key] = status
        self._count(status, key, 1)
        self._references.show(key, reference)
        self.publish()

    def set_loading(self, key: Key, fingerprint: str) -> None:
        """A version is about to be loaded from files with this fingerprint."""
        self.set(key, VersionState.LOADING, fingerprint=fingerprint)
        self._count_quarantined(key, 0)

    def set_quarantined(self, key: Key, reason: str) -> None:
        """A version is not loaded, since it killed the engine."""
        self.set(key, VersionState.FAILED, reason=f"in quarantine: {reason}")
        self._count_quarantined(key, 1)

    def remove(self, key: Key) -> None:
        """A version is known no more."""
        self._count(self._statuses.pop(key), key, 0)
        self._count_quarantined(key, 0)
        self._references.show(key, None)
        del self._fingerprints[key]
        self.publish()

    def look(self, problem: str | None, notes: Mapping[str, tuple[str, ...]]) -> None:
        """The artifacts folder cannot be read, or parts of it cannot."""
        self._metrics.artifacts_readable.set(problem is None)
        if (problem, notes) != (self.catalog.problem, self._notes):
            self._notes = notes
            self.publish(problem=problem)

    def heed(self, problem: str | None) -> None:
        """Policies may have changed, or there is something wrong with them."""
        self._metrics.policies_in_force.set(self._policies.broken is None)
        before = self.catalog
        after = before.model_copy(
            update={"models": self._models(), "policy_problem": problem}
        )
        if after != before:
            self.publish(policy_problem=problem)

    def settle(self) -> None:
        """The first loading is over."""
        if not self.catalog.settled:
            self.publish(settled=True)

    def publish(self, **changes: object) -> None:
        """Make a new catalog, and tell everyone."""
        before = self.catalog.models.keys()
        self.catalog = self.catalog.model_copy(
            update={"models": self._models(), **changes}
        )
        for name in before - self.catalog.models.keys():
            self._metrics.default_version.labels(name).set(GONE)
        for name, model in self.catalog.models.items():
            default = model.default.version if model.default else 0
            self._metrics.default_version.labels(name).set(default)
        for listener in self.on_change:
            listener(self.catalog)

    def _models(self) -> dict[str, ModelStatus]:
        """All that is known, by model."""
        named = {*self._notes, *self._policies.overrides.unloaded()}
        models: dict[str, list[VersionStatus]] = {name: [] for name in named}
        for (name, _), status in sorted(self._statuses.items(), key=_key):
            models.setdefault(name, []).append(status)
        return {name: self._model(name, models[name]) for name in sorted(models)}

    def _model(self, name: str, versions: list[VersionStatus]) -> ModelStatus:
        policy = self._policies.of(name)
        before = self.catalog.models.get(name)
        by_number = {each.version: each for each in versions}
        labels = resolve(policy.labels, before.labels if before else {}, by_number)
        notes = [
            *self._notes.get(name, ()),
            *self._policies.notes(name),
            *describe(policy.labels, labels, by_number),
        ]
        return ModelStatus(
            name=name,
            versions=tuple(versions),
            notes=tuple(notes),
            labels=labels,
            policy=policy,
        )

    def _count_quarantined(self, key: Key, value: int) -> None:
        self._metrics.quarantined.labels(key[0], str(key[1])).set(value)

    def _count(self, status: VersionStatus, key: Key, value: int) -> None:
        labels = key[0], str(key[1])
        self._metrics.model_state.labels(*labels, status.state).set(value)
        if status.runtime is not None:
            serves = value if status.state is VersionState.READY else 0
            by = status.runtime.name, status.runtime.computes_in
            self._metrics.model_runtime.labels(*labels, *by).set(serves)


def _key(pair: tuple[Key, VersionStatus]) -> Key:
    return pair[0]

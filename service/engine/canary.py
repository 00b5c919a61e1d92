"""Which version a request means that names none, where a label gets a share of them."""

import math
from collections import Counter

from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus


class VersionChooser:
    """Finds the version that a request means, and counts so that shares come out even.

    Of any thousand requests that one of these chooses for, a share of 0.1 gets 100, and
    they are spread: every tenth.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def find(
        self,
        catalog: Catalog,
        name: str,
        version: int | None = None,
        label: str | None = None,
    ) -> VersionStatus:
        """The version that a request means; see `Catalog.find`.

        Raises:
            ModelNotFound, VersionNotFound, LabelNotFound, ModelNotReady: See there.
        """
        if version is None and label is None and name in catalog.models:
            chosen = self.choose(catalog.models[name])
            if chosen is not None:
                return chosen
        return catalog.find(name, version, label)

    def choose(self, model: ModelStatus) -> VersionStatus | None:
        """The canary, if it is its turn and it is ready."""
        canary = model.policy.canary
        if canary is None:
            return None
        status = model.by_label(canary.label)
        if status is None or status.state is not VersionState.READY:
            return None
        number = self._counts[model.name]
        self._counts[model.name] = number + 1
        its_turn = math.floor((number + 1) * canary.share) > math.floor(
            number * canary.share
        )
        return status if its_turn else None

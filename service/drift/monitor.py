"""Counts what versions answer, and has some of it written down; nobody waits for it.

engine ─ Answer ─▶ watch ─ Outcome ─▶ the request's record ─┬─ count ─▶ /metrics
└─ Recorder ─▶ files
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from service.contract.contract import Contract
from service.contract.dtypes import BFLOAT16
from service.contract.reference import Reference
from service.contract.task import SERVING
from service.drift.outcomes import (
    ABNORMAL,
    Floats,
    Ints,
    counted_output,
    place,
    read_classes,
    read_values,
)
from service.drift.reference import OTHERS, shorten
from service.engine.batching.tensors import Tensors
from service.engine.catalog import Catalog
from service.metrics import Metrics

if TYPE_CHECKING:
    from service.drift.recorder import Recorder
    from service.engine.batching.batcher import Answer

Key = tuple[str, int]


class Counted:
    """How the answers of one version are counted.

    Attributes:
        key: Of the version.
        contract: Of it.
        reference: Which groups there are.
        odd: The place of the group of those that are no number.

    Args:
        contract: Of the version.
        reference: Which groups there are.
    """

    def __init__(self, contract: Contract, reference: Reference):
        self.key: Key = contract.name, contract.version
        self.contract, self.reference = contract, reference
        places = {group: at for at, group in enumerate(reference.groups)}
        others = places.get(OTHERS, len(reference.groups) - 1)
        named = [places.get(shorten(each), others) for each in contract.labels]
        self.odd = len(reference.groups) - 1  # the last group
        self._groups = np.array([*named, self.odd])
        self.series: _Series | None = None
        output = counted_output(contract)
        self._width = None if output is None else len(output.shape)

    def fits(self, outputs: npt.NDArray[Any]) -> bool:
        """Whether these are rows of numbers, as the version promises."""
        is_numeric = outputs.dtype.kind in "fiu" or outputs.dtype == BFLOAT16
        return outputs.ndim == self._width and is_numeric and outputs.size > 0

    def read(self, outputs: npt.NDArray[Any]) -> tuple[Ints, Floats | None] | None:
        """The group of each row, and the score of its label where it has one.

        None where the model gave something else than it promises.
        """
        if not self.fits(outputs):
            return None
        if self.reference.edges:
            found = place(read_values(outputs), self.reference.edges)
            return np.where(found == ABNORMAL, self.odd, found), None
        classes = read_classes(self.contract, outputs)
        if classes is None:
            return None
        return self._groups[classes[0]], classes[1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a version answered to one call.

    Attributes:
        counted: How it is counted, if it is.
        signature: That was called.
        outputs: All that it gave.
        inputs: What it was asked, if that is to be written down.
        contract: Of the version.
    """

    counted: Counted | None
    signature: str
    outputs: Tensors
    inputs: Tensors | None
    contract: Contract | None = None


class DriftMonitor:
    """Watches the answers of one HTTP process.

    Args:
        metrics: Where they are counted.
        catalog: Gives the engine's at this moment.
        share: Of requests that are written down.
        recorder: Writes them down, if anything does.
        chance: Gives a number from 0 to below 1.
    """

    def __init__(
        self,
        metrics: Metrics,
        catalog: Callable[[], Catalog],
        share: float = 0.0,
        recorder: "Recorder | None" = None,
        chance: Callable[[], float] = random.random,
    ):
        self._metrics, self._current = metrics, catalog
        self._share = share if recorder is not None else 0.0
        self._recorder, self._chance = recorder, chance
        self._catalog: Catalog | None = None
        self._counted: dict[Key, Counted] = {}

    def watch(
        self, record: Any, name: str, signature: str, inputs: Tensors, answer: "Answer"
    ) -> None:
        """A version has answered a call of this request's; it is counted later."""
        catalog = self._current()
        if catalog is not self._catalog:
            self._learn(catalog)
        counted = None
        if signature == SERVING and answer.outputs:
            counted = self._counted.get((name, answer.version))
        if self._share and record.is_sampled is None:
            record.is_sampled = self._chance() < self._share
        if record.is_sampled:
            contract = catalog.contract(name, answer.version)
            outcome = Outcome(counted, signature, answer.outputs, inputs, contract)
        elif counted is not None:
            outcome = Outcome(counted, signature, answer.outputs[:1], None)
        else:
            return
        record.outcomes = (*record.outcomes, outcome)

    def count(self, finished: Iterable[Any]) -> None:
        """Count what these requests were answered, and have it written down."""
        by_version: defaultdict[Counted, list[npt.NDArray[Any]]] = defaultdict(list)
        for record in finished:
            for outcome in record.outcomes:
                if outcome.counted is not None:
                    by_version[outcome.counted].append(outcome.outputs[0])
                if outcome.inputs is not None and self._recorder is not None:
                    self._recorder.record(record.request_id, outcome)
            record.outcomes = ()
        for counted, outputs in by_version.items():
            self._count(counted, outputs)

    def close(self) -> None:
        """Write what waits to be written, as far as that is quick."""
        if self._recorder is not None:
            self._recorder.close()

    def _count(self, counted: Counted, outputs: Sequence[npt.NDArray[Any]]) -> None:
        alike: defaultdict[Any, list[npt.NDArray[Any]]] = defaultdict(list)
        for each in filter(counted.fits, outputs):
            alike[each.shape[1:], each.dtype].append(each)
        series = self._series(counted)
        for arrays in alike.values():
            found = counted.read(np.concatenate(arrays) if arrays[1:] else arrays[0])
            if found is None:
                continue
            groups, scores = found
            numbers = np.bincount(groups, minlength=0).tolist()
            for series_of_group, number in zip(series.groups, numbers, strict=False):
                if number:
                    series_of_group.inc(number)
            if scores is not None:
                series.confidence.observe_all(scores[groups != counted.odd].tolist())

    def _learn(self, catalog: Catalog) -> None:
        """Know the versions of a new catalog, and show a series of each group."""
        self._catalog = catalog
        known, self._counted = self._counted, {}
        for model in catalog.models.values():
            for status in model.versions:
                contract, reference = status.contract, status.reference
                if contract is None or reference is None:
                    continue
                key = model.name, status.version
                before = known.get(key)
                if before is not None and (before.reference, before.contract) == (
                    reference,
                    contract,
                ):
                    self._counted[key] = before
                    continue
                self._counted[key] = Counted(contract, reference)
                self._series(self._counted[key])

    def _series(self, counted: Counted) -> "_Series":
        """What a version is counted in: to find it costs more than to count."""
        if counted.series is None:
            names, metrics = (counted.key[0], str(counted.key[1])), self._metrics
            counted.series = _Series(
                [
                    metrics.version_predictions.labels(*names, group)
                    for group in counted.reference.groups
                ],
                metrics.version_confidence.labels(*names),
            )
        return counted.series


@dataclass(frozen=True, slots=True)
class _Series:
    """Of one version: a counter for each group, and a histogram."""

    groups: Sequence[Any]
    confidence: Any

"""Contracts, references and outcomes for tests, made without a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from service.contract.contract import Contract
from service.contract.reference import Reference
from service.contract.signature import Signature, TensorSpec
from service.drift.monitor import Counted, DriftMonitor, Outcome
from service.drift.outcomes import counted_output
from service.drift.reference import ODD
from service.engine.batching.batcher import Answer
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.metrics import Metrics

LABELS = ("cat", "dog", "owl")


def contract(
    labels: Sequence[str] = LABELS,
    *,
    task: Any = "tabular classification",
    classes: int | None = None,
    constants: dict[str, Any] | None = None,
    inputs: Sequence[TensorSpec] = (),
) -> Contract:
    """Of a model that takes two numbers a row and answers classes."""
    shape = (None, classes or len(labels)) if classes != 1 else (None,)
    pair = TensorSpec(name="pair", dtype="float32", shape=(None, 2))
    return Contract(
        name="pets",
        version=1,
        signatures={
            "serving_default": Signature(
                inputs=tuple(inputs) or (pair,),
                outputs=(TensorSpec(name="scores", dtype="float32", shape=shape),),
            )
        },
        batch_sizes=(1, 8),
        task=task,
        labels=tuple(labels),
        constants=constants or {},
    )


def reference(of: Contract, ratios: Sequence[float] = ()) -> Reference:
    """That its labels had these shares among 1,000 predictions."""
    ratios = (*ratios, 0.0) if ratios else ()
    rows = 1000 if ratios else 0
    return Reference(groups=(*of.labels, ODD), ratios=ratios, rows=rows)


def catalog(of: Contract, known: Reference | None) -> Catalog:
    status = VersionStatus(
        version=of.version, state=VersionState.READY, contract=of, reference=known
    )
    return Catalog(models={of.name: ModelStatus(name=of.name, versions=(status,))})


def answer(scores: Any, version: int = 1) -> Answer:
    return Answer(
        outputs=(np.asarray(scores, np.float32),),
        version=version,
        batch_rows=len(scores),
        queue_s=0.0,
        compute_s=0.0,
    )


def outcome(
    of: Contract, scores: Any, inputs: Any = None, known: Reference | None = None
) -> Outcome:
    """What is recorded of a call."""
    outputs = np.asarray(scores, np.float32)
    asked = np.zeros((len(outputs), 2), np.float32) if inputs is None else inputs
    is_counted = counted_output(of) is not None
    counted = Counted(of, known or reference(of)) if is_counted else None
    return Outcome(counted, "serving_default", (outputs,), (asked,), of)


class Record:
    """As much of a request's record as is watched."""

    def __init__(self) -> None:
        self.request_id = "a-request"
        self.outcomes: Sequence[Outcome] = ()
        self.is_sampled: bool | None = None


class Watching:
    """A monitor, what it counts, and a catalog that a test may change."""

    def __init__(self, of: Contract, known: Reference | None, **more: Any):
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.catalog = catalog(of, known)
        self.monitor = DriftMonitor(self.metrics, lambda: self.catalog, **more)

    def answers(self, scores: Any, *, signature: str = "serving_default") -> Record:
        """Have a request answered so, and counted."""
        record, given = Record(), answer(scores)
        inputs = (np.zeros((len(scores), 2), np.float32),)
        self.monitor.watch(record, "pets", signature, inputs, given)
        self.monitor.count([record])
        return record

    def counted(self) -> dict[str, float]:
        """Predictions by label, of version 1, that are not 0."""
        return {
            sample.labels["label"]: sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "servery_version_predictions_total" and sample.value
        }

    def value(self, name: str, **labels: str) -> float | None:
        named = {"model": "pets", "version": "1", **labels}
        return self.registry.get_sample_value(name, named)

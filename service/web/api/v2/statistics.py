"""Statistics of versions in Triton's form, made of the metrics of all processes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from service.engine.catalog import ModelStatus, VersionState
from service.metrics import Metrics

NS, MS = 1_000_000_000, 1_000
OURS = "servery_version_"
NOTHING = {"count": 0, "ns": 0}

Values = Mapping[tuple[str, ...], float]
"""By the metric's name without what all have, and the label that it has beside."""


def describe_statistics(
    metrics: Metrics, models: Iterable[ModelStatus], version: int | None = None
) -> list[dict[str, Any]]:
    """`model_stats` of the versions of these models that are ready.

    Args:
        metrics: Where they are counted.
        models: Whose.
        version: Of this one alone.
    """
    values = _read(metrics)
    return [
        _describe(model.name, str(each.version), values[model.name, str(each.version)])
        for model in models
        for each in model.versions
        if each.state is VersionState.READY and version in (None, each.version)
    ]


def _read(metrics: Metrics) -> Mapping[tuple[str, str], Values]:
    """By model and version: what there is of it."""
    values: defaultdict[tuple[str, str], dict[tuple[str, ...], float]]
    values = defaultdict(dict)
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        if family.name.startswith(OURS):
            for sample in family.samples:
                labels = dict(sample.labels)
                key = labels.pop("model"), labels.pop("version")
                name = sample.name.removeprefix(OURS)
                values[key][name, *labels.values()] = sample.value
    return values


def _describe(name: str, version: str, values: Values) -> dict[str, Any]:
    def duration(stage: str, outcome: str = "ok") -> dict[str, int]:
        return {
            "count": int(values.get(("requests_total", outcome), 0)),
            "ns": int(values.get(("seconds_total", stage), 0) * NS),
        }

    batches = list(_batches(values))
    return {
        "name": name,
        "version": version,
        "last_inference": int(values.get(("answered_timestamp_seconds",), 0) * MS),
        "inference_count": int(values.get(("rows_total",), 0)),
        "execution_count": sum(each["compute_infer"]["count"] for each in batches),
        "inference_stats": {
            "success": duration("ok"),
            "fail": duration("failed", "failed"),
            "queue": duration("queue"),
            "compute_input": duration("decode"),
            "compute_infer": duration("compute"),
            "compute_output": duration("encode"),
            "cache_hit": NOTHING,
            "cache_miss": NOTHING,
        },
        "batch_stats": batches,
    }


def _batches(values: Values) -> Iterator[dict[str, Any]]:
    """What ran, by the size of the batch."""
    sizes = [int(key[1]) for key in values if key[0] == "batches_total"]
    for size in sorted(sizes):
        ran = {
            "count": int(values["batches_total", str(size)]),
            "ns": int(values.get(("batch_seconds_total", str(size)), 0) * NS),
        }
        yield {
            "batch_size": size,
            "compute_input": NOTHING,
            "compute_infer": ran,
            "compute_output": NOTHING,
        }

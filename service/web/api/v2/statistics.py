"""A model's statistics in Triton's form, made of the metrics of all processes.

Metrics count by model and not by version, so the version that answers where none is
named carries all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from service.engine.catalog import ModelStatus, VersionState
from service.metrics import Metrics

NS = 1_000_000_000
Counts = Mapping[str, float]


def describe_statistics(
    metrics: Metrics, models: Iterable[ModelStatus]
) -> list[dict[str, Any]]:
    """`model_stats` of all versions of these models that are ready."""
    counts = _count(metrics)
    found = []
    for model in models:
        default = model.default.version if model.default else None
        for each in model.versions:
            if each.state is VersionState.READY:
                mine = counts.get(model.name, {}) if each.version == default else {}
                found.append(_describe(model.name, each.version, mine))
    return found


def _count(metrics: Metrics) -> Mapping[str, Counts]:
    """By model: sums and counts of what Triton's statistics are made of."""
    counts: defaultdict[str, defaultdict[str, float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            name = sample.name.removeprefix("servery_")
            model = sample.labels.get("model")
            if not model or not name.endswith(("_sum", "_count")):
                continue
            if name.startswith("request_seconds"):
                kind = "success" if sample.labels["status"] == "200" else "fail"
                name = name.replace("request", kind, 1)
            counts[model][name] += sample.value
    return counts


def _describe(name: str, version: int, counts: Counts) -> dict[str, Any]:
    def duration(stage: str) -> dict[str, int]:
        return {
            "count": int(counts.get(f"{stage}_seconds_count", 0)),
            "ns": int(counts.get(f"{stage}_seconds_sum", 0) * NS),
        }

    nothing = {"count": 0, "ns": 0}
    return {
        "name": name,
        "version": str(version),
        "last_inference": 0,
        "inference_count": int(counts.get("batch_rows_sum", 0)),
        "execution_count": int(counts.get("batch_rows_count", 0)),
        "inference_stats": {
            "success": duration("success"),
            "fail": duration("fail"),
            "queue": duration("queue"),
            "compute_input": duration("decode"),
            "compute_infer": duration("compute"),
            "compute_output": nothing,
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [],
    }

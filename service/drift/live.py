"""What a running service has counted, beside the references that it knows."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from service.contract.reference import Reference
from service.drift.report import Report, compare

if TYPE_CHECKING:
    from service.cli_admin import Service

Key = tuple[str, int]

PREDICTIONS = "servery_version_predictions_total"
SUM, COUNT = "servery_version_confidence_sum", "servery_version_confidence_count"


def report_service(service: "Service", model: str | None) -> list[Report]:
    """A report on each version that has answered.

    Raises:
        ClickException: The service cannot be reached, or has no such model.
    """
    counts: defaultdict[Key, dict[str, int]] = defaultdict(dict)
    scores: defaultdict[Key, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(service.read("/metrics")):
        for sample in family.samples:
            if sample.name not in (PREDICTIONS, SUM, COUNT):
                continue
            key = sample.labels["model"], int(sample.labels["version"])
            if sample.name == PREDICTIONS:
                counts[key][sample.labels["label"]] = round(sample.value)
            else:
                scores[key][sample.name] = sample.value
    names = [model] if model else sorted({name for name, _ in counts})
    references = {name: _references(service, name) for name in names}
    return [
        compare(name, version, references[name][version], found, _mean(scores[key]))
        for key in sorted(counts)
        if (name := key[0]) in references
        and (version := key[1]) in references[name]
        and any((found := counts[key]).values())
    ]


def _mean(scores: dict[str, float]) -> float | None:
    number = scores.get(COUNT, 0)
    return scores[SUM] / number if number else None


def _references(service: "Service", model: str) -> dict[int, Reference | None]:
    """By version, what it answered in training."""
    told: Any = service.ask("GET", f"/v1/models/{quote(model, safe='')}")
    try:
        return {
            each["version"]: None
            if each.get("reference") is None
            else Reference.model_validate(each["reference"])
            for each in told["versions"]
        }
    except (KeyError, TypeError, ValidationError) as error:
        raise click.ClickException(
            f"{model}: expected versions with references, received something else"
        ) from error

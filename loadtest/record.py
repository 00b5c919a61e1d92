"""A report as JSON, for programs: seconds, shares of 1, requests a second."""

import json
import math
from dataclasses import asdict
from typing import Any

from loadtest.report import Report, describe
from loadtest.summary import SHOWN, Summary, Window

FORMAT = 1  # changes when a field changes its meaning or its place


def to_json(report: Report) -> str:
    """Every figure of a report; what was not measured is null."""
    load, service = report.load, report.service
    record = {
        "format": FORMAT,
        "started": report.started.isoformat(timespec="seconds"),
        "url": load.url,
        "load": describe(load),
        "mix": load.mix,
        "seed": load.seed,
        "deadline_s": load.deadline_s,
        "timeout_s": load.timeout_s,
        "broken_off": report.broken_off,
        "window": asdict(report.window),
        "total": _summary(report.total),
        "workloads": {each.name: _summary(each) for each in report.workloads},
        "windows": [_window(*each) for each in report.windows],
        "p99_of_thirds_s": [third.percentile(99) for third in report.thirds],
        "client": asdict(report.client) | {"limits": report.client.limits()},
        "service": None if service is None else asdict(service),
        "objective": [
            {
                "condition": verdict.condition.text,
                "measured": verdict.measured,
                "kept": verdict.is_kept,
            }
            for verdict in report.verdicts
        ],
    }
    return json.dumps(_without_nan(record), indent=2) + "\n"


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "requests": summary.requests,
        "rate": summary.rate,
        "goodput": summary.goodput,
        "errors": summary.errors,
        "outcomes": summary.outcomes,
        "mean_s": summary.mean(),
        **{f"p{each:g}_s": summary.percentile(each) for each in SHOWN},
        "max_s": summary.percentile(100),
    }


def _window(window: Window, summary: Summary) -> dict[str, Any]:
    return asdict(window) | {"intended_rate": summary.intended_rate} | _summary(summary)


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

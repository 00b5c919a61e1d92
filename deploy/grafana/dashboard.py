"""Makes `dashboards/servery.json`, which Grafana reads, of the table `dashboard.yml`.

Grafana's own type of a dashboard, schema version 42, is the reference: `Dashboard` in
`@grafana/schema`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

HERE = Path(__file__).parent
TABLE = HERE / "dashboard.yml"
DASHBOARD = HERE / "dashboards" / "servery.json"
RECORDING_RULES = HERE.parent / "prometheus" / "rules" / "recording.yml"

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
SERVICE = 'job="$job", instance=~"$instance"'
MODEL = f'{SERVICE}, model=~"$model"'
REQUESTS = f'{MODEL}, route=~"/v1/(predict|generate|reconstruct|interpolate)/.*"'
SELECTORS = {"@service": SERVICE, "@model": MODEL, "@requests": REQUESTS}

COLUMNS = 24
SIZES = {"stat": (4, 4), "timeseries": (8, 8), "heatmap": (8, 8), "table": (8, 8)}
FORMATS = {"table": "table", "heatmap": "heatmap"}
OPTIONS: dict[str, Json] = {
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "heatmap": {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "yAxis": {"unit": "s"},
        "tooltip": {"mode": "single", "yHistogram": True},
        "legend": {"show": True},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the table; see there.

    Attributes:
        title: A few words.
        description: What it shows, and what is good.
        queries: PromQL by its legend.
        unit: What Grafana calls it.
        kind: How it is drawn.
        limit: Beyond it the value is red.
        low: Whether it is below it that the value is red.
        stacked: Whether the values add up to something.
    """

    title: str
    description: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    limit: float | str | None = None
    low: bool = False
    stacked: bool = False

    def to_json(self) -> Json:
        """The panel as Grafana reads it, but for its number and place."""
        return {
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "targets": [self._target(i, each) for i, each in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": OPTIONS[self.kind],
            "transformations": _hide("Time", "__name__") if self.is_table else [],
        }

    @property
    def is_table(self) -> bool:
        """Whether it shows what is, rather than what was."""
        return self.kind == "table"

    def _target(self, number: int, legend: str) -> Json:
        return {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": _select(self.queries[legend]),
            "legendFormat": legend,
            "format": FORMATS.get(self.kind, "time_series"),
            "instant": self.is_table,
            "range": not self.is_table,
        }

    def _field(self) -> Json:
        field: Json = {"unit": self.unit, "thresholds": self._thresholds()}
        if self.kind == "timeseries":
            field["min"] = 0
            field["custom"] = {
                "fillOpacity": 30 if self.stacked else 5,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none"},
                "thresholdsStyle": {"mode": "off" if self.limit is None else "dashed"},
            }
        return field

    def _thresholds(self) -> Json:
        below, above = ("red", "green") if self.low else ("green", "red")
        steps: list[Json] = [{"color": below, "value": None}]
        if self.limit is not None:
            known = isinstance(self.limit, str)
            limit = objective(str(self.limit)) if known else self.limit
            steps.append({"color": above, "value": limit})
        return {"mode": "absolute", "steps": steps}


def objective(name: str) -> float:
    """The number behind `servery:objective:<name>` for all that have no other."""
    groups = yaml.safe_load(RECORDING_RULES.read_text())["groups"]
    expr: str
    (expr,) = (
        rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule["record"] == f"servery:objective:{name}" and "labels" not in rule
    )
    return float(expr.removeprefix("vector(").removesuffix(")"))


def read_table() -> dict[str, list[Panel]]:
    """The panels by the question that they answer."""
    table = yaml.safe_load(TABLE.read_text())
    return {row["question"]: [Panel(**each) for each in row["panels"]] for row in table}


def build() -> Json:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "servery",
        "title": "Servery",
        "tags": ["servery"],
        "schemaVersion": 42,
        "editable": False,
        "graphTooltip": 1,  # one crosshair over all panels
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(_lay_out(read_table())),
    }


def _lay_out(table: dict[str, list[Panel]]) -> Iterator[Json]:
    """Under every question its panels, from left to right, line after line."""
    y, number = 0, 0
    for question, panels in table.items():
        number += 1
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        row: Json = {"type": "row", "title": question, "collapsed": False, "panels": []}
        yield row | {"id": number, "gridPos": place}
        x, y, height = 0, y + 1, 0
        for panel in panels:
            w, h = SIZES[panel.kind]
            if x + w > COLUMNS or h != height:
                x, y, height = 0, y + height, h
            number += 1
            place = {"x": x, "y": y, "w": w, "h": h}
            yield panel.to_json() | {"id": number, "gridPos": place}
            x += w
        y += height


def _variables() -> list[Json]:
    models = 'label_values(servery_model_default_version{job="$job"}, model)'
    return [
        {"type": "datasource", "name": "datasource", "query": "prometheus"},
        _variable("job", "label_values(servery_build_info, job)"),
        _variable("instance", 'label_values(up{job="$job"}, instance)') | _all(),
        _variable("model", models) | _all(),
    ]


def _variable(name: str, query: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # when the time range changes
        "sort": 1,
    }


def _all() -> Json:
    """All values at first: `.*`, so that series without the label are among them."""
    current = {"text": ["All"], "value": ["$__all"]}
    return {"multi": True, "includeAll": True, "allValue": ".*", "current": current}


def _select(query: str) -> str:
    for name, selector in SELECTORS.items():
        query = query.replace(name, selector)
    return query


def _hide(*fields: str) -> list[Json]:
    return [
        {"id": "organize", "options": {"excludeByName": dict.fromkeys(fields, True)}}
    ]


def to_text() -> str:
    """The file's content."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(to_text())

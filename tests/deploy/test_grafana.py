"""Grafana: the dashboard is what its table says, and its queries are answered."""

import json
import os
import re
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.grafana import dashboard
from service.metrics import Metrics
from service.processes.usage import ProcessCollector
from tests.deploy.conftest import Watched
from tests.deploy.prometheus_server import DEPLOY
from tests.deploy.test_prometheus import rules
from tests.e2e.server import until

PROVISIONING = DEPLOY / "grafana" / "provisioning"
COMMITTED = json.loads(dashboard.DASHBOARD.read_text())
PANELS = [each for each in COMMITTED["panels"] if each["type"] != "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['legendFormat']}")
    for panel in PANELS
    for target in panel["targets"]
]
VALUES = {  # what Grafana would put in place of its variables
    "$job": "servery",
    "$instance": ".*",
    "$model": ".*",
    "$__rate_interval": "1m",
}
# Nothing happened yesterday to a service that was started a moment ago.
UNANSWERED = ["Change since yesterday"]
OF_KEYS = {"servery_key_requests_total", "servery_key_rows_total"}  # none are asked for


def fill_in(query: str) -> str:
    for name, value in VALUES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def exported() -> set[str]:
    """Every name that the service's series can have."""
    registry = CollectorRegistry()
    Metrics(registry)
    families = [*registry.collect(), *ProcessCollector(os.getpid()).collect()]
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
    return {
        family.name + ending
        for family in families
        for ending in endings.get(family.type, ("",))
    }


def names_in(query: str) -> set[str]:
    """The names of the series that it asks for."""
    plain = re.sub(r'"[^"]*"', '""', query)
    return set(re.findall(r"\b(?:\w+:)?servery[\w:]*|\b(?:up|ALERTS)\b", plain))


def test_the_committed_dashboard_is_what_the_table_says() -> None:
    assert dashboard.DASHBOARD.read_text() == dashboard.to_text(), (
        "run `python -m deploy.grafana.dashboard`"
    )


def test_questions_are_answered_in_order() -> None:
    rows = [each["title"] for each in COMMITTED["panels"] if each["type"] == "row"]
    assert rows == [
        "Is it up?",
        "Is it fast?",
        "Does each model keep its objectives?",
        "Is it full?",
        "What does it predict?",
        "Which versions run?",
        "What does it cost?",
    ]


def test_every_panel_is_described_and_has_a_unit_and_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in COMMITTED["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    numbers = [panel["id"] for panel in COMMITTED["panels"]]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Latency", "p99_seconds"),
        ("p99 by route", "p99_seconds"),
        ("Requests that fail", "error_budget"),
    ],
)
def test_a_value_is_red_beyond_the_objective(title: str, name: str) -> None:
    (panel,) = [each for each in PANELS if each["title"] == title]
    last = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]
    (rule,) = [
        each
        for each in rules("record")
        if each["record"].endswith(f":{name}") and "labels" not in each
    ]
    assert last["color"] == "red"
    assert rule["expr"] == f"vector({last['value']})"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_only_what_is_exported_or_recorded(query: str) -> None:
    known = exported() | {rule["record"] for rule in rules("record")}
    assert names_in(query)
    assert names_in(query) <= known | {"up", "ALERTS"}


def test_alerts_and_recording_rules_name_only_what_is_exported_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules("record")}
    for rule in [*rules("alert"), *rules("record")]:
        assert names_in(rule["expr"]) <= exported() | recorded | {"up"}, rule


def test_documents_name_panels_that_are_there() -> None:
    text = (DEPLOY.parent / "docs" / "alerts.md").read_text()
    titles = {panel["title"] for panel in PANELS}
    quoted = {
        " ".join(each.split()) for each in re.findall(r"`([A-Zp][^`/]+ [^`/]+)`", text)
    }
    assert quoted <= titles
    assert len(quoted) > 10


def test_the_service_exports_all_that_is_listed(watched: Watched) -> None:
    until(lambda: watched.has("servery_padding_rows_total"))
    text = watched.server.client.get("/metrics").text
    found = set(re.findall(r"^(servery_\w+)", text, re.MULTILINE))
    assert found == exported() - OF_KEYS


@pytest.mark.parametrize("query", QUERIES)
def test_a_real_prometheus_answers_a_query(watched: Watched, query: str) -> None:
    if "offset 1d" in query:
        assert watched.prometheus.query(fill_in(query)) == []
    else:
        until(lambda: watched.has(fill_in(query)))


def test_only_the_past_is_not_asked_for() -> None:
    past = [
        panel["title"]
        for panel in PANELS
        if any("offset" in target["expr"] for target in panel["targets"])
    ]
    assert past == UNANSWERED


def test_variables_are_asked_of_series_that_are_exported() -> None:
    source, *variables = COMMITTED["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    assert [each["name"] for each in variables] == ["job", "instance", "model"]
    for variable in variables:
        name = re.match(r"label_values\((\w+)", variable["query"]["query"])
        assert name
        assert name[1] in exported() | {"up"}
    used = re.findall(r"\$\{?(\w+)", dashboard.DASHBOARD.read_text())
    known = {each["name"] for each in COMMITTED["templating"]["list"]}
    assert set(used) == known | {"__rate_interval", "__all"}


def test_grafana_is_provisioned_with_prometheus_and_the_dashboard() -> None:
    (source,) = read("datasources/prometheus.yml")["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    interval = config["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    (provider,) = read("dashboards/servery.yml")["providers"]
    compose = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROVISIONING / name).read_text())
    return content

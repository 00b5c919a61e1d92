"""Prometheus: its rules are right, and it understands what the service exports."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.metrics import SECONDS
from tests.deploy.conftest import Watched
from tests.deploy.prometheus_server import CONFIG, DEPLOY, find
from tests.e2e.server import until

RULES = sorted((CONFIG.parent / "rules").glob("*.yml"))
RULE_TESTS = sorted((CONFIG.parent / "tests").glob("*.yml"))
DOCUMENT = DEPLOY.parent / "docs" / "alerts.md"


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind: `alert` or `record`."""
    groups = [each for file in RULES for each in read(file)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


ALERTS = {rule["alert"]: rule for rule in rules("alert")}


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [find("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_its_rules_are_valid() -> None:
    promtool("check", "config", CONFIG)


@pytest.mark.slow
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_rules_do_what_their_tests_say(file: Path) -> None:
    promtool("test", "rules", file)


def test_every_alert_is_seen_to_fire_and_to_keep_silent() -> None:
    assert len(ALERTS) == len(rules("alert"))
    cases = [case for file in RULE_TESTS for case in read(file)["tests"]]
    checks = [check for case in cases for check in case.get("alert_rule_test", [])]
    loud = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert loud == silent == set(ALERTS)


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    sections = re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]
    documented = {each.split("\n")[0]: each for each in sections}
    del documented["Objectives"]
    assert list(documented) == list(ALERTS)
    for name, rule in ALERTS.items():
        severity = rule["labels"]["severity"]
        assert f"\n\n{severity.capitalize()}. " in documented[name], name
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{name.lower()}"
        assert {"summary", "description"} < set(rule["annotations"])


def test_an_objective_of_latency_is_a_bound_of_the_histogram() -> None:
    objectives = [
        float(rule["expr"].removeprefix("vector(").removesuffix(")"))
        for rule in rules("record")
        if rule["record"] == "servery:objective:p99_seconds"
    ]
    assert set(objectives) == {0.3, 1} <= set(SECONDS)


def test_a_real_prometheus_scrapes_the_service(watched: Watched) -> None:
    until(lambda: watched.has('up{job="servery"} == 1'))
    (target,) = watched.prometheus.get("targets")["activeTargets"]
    assert target["health"] == "up", target["lastError"]
    until(lambda: watched.has("rate(servery_request_seconds_count[1m]) > 0"))


def test_the_recording_rules_have_values_for_the_real_service(watched: Watched) -> None:
    names = {rule["record"] for rule in rules("record")}
    for name in sorted(names):
        until(lambda name=name: watched.has(name))  # type: ignore[misc]
    mean = "job_route_model:servery_request_seconds:p50_rate5m"
    assert all(0 < seconds < 30 for seconds in watched.prometheus.query(mean))
    shares = "sum by (model) (job_model_label:servery_predictions:ratio_rate1h)"
    assert watched.prometheus.query(shares) == pytest.approx([1, 1])


def test_no_rule_fails_and_no_alert_fires_for_the_real_service(
    watched: Watched,
) -> None:
    until(lambda: watched.has("job:servery_requests:rate3d"))
    groups = watched.prometheus.get("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len(found) == len(rules("alert")) + len(rules("record"))
    assert [rule["lastError"] for rule in found if rule["health"] == "err"] == []
    alerts = watched.prometheus.get("alerts")["alerts"]
    assert [alert for alert in alerts if alert["state"] == "firing"] == []


def test_requests_on_many_connections_are_all_counted(watched: Watched) -> None:
    count = 'servery_request_seconds_count{route="/v1/predict/digits", status="200"}'
    until(lambda: watched.has(count))
    until(lambda: watched.prometheus.query(count) == [watched.counted("digits")])
    before = watched.counted("digits")
    for _ in range(20):  # each on one of its own, so that both processes serve
        watched.ask_on_a_new_connection()
    until(lambda: watched.prometheus.query(count) == [before + 20])

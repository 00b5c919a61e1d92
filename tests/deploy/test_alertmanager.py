"""Alertmanager takes the committed configuration, and shows alerts by who is told."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.prometheus_server import DEPLOY, find
from tests.deploy.test_prometheus import ALERTS
from tests.e2e.server import free_port, until

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
PROGRAM = "prometheus-alertmanager"  # as Debian calls it


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real one on a free port, alone."""
    program = shutil.which("alertmanager") or find(PROGRAM, PROGRAM)
    folder = tmp_path_factory.mktemp("alertmanager")
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={CONFIG}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
        until(lambda: is_healthy(client, process, folder / "log"))
        yield client
    process.terminate()
    process.wait(30)


def is_healthy(client: httpx.Client, process: Any, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return client.get("/-/healthy").status_code == 200  # as compose asks it
    except httpx.TransportError:
        return False


def tell(client: httpx.Client, name: str, **labels: str) -> None:
    """What Prometheus sends when the alert fires."""
    severity = ALERTS[name]["labels"]["severity"]
    alert = {"labels": {"alertname": name, "severity": severity, **labels}}
    client.post("/api/v2/alerts", json=[alert]).raise_for_status()


def shown(client: httpx.Client, **labels: str) -> dict[str, tuple[str, str]]:
    """The alerts with these labels: who is told, and whether they are suppressed."""
    return {
        each["labels"]["alertname"]: (
            each["receivers"][0]["name"],
            each["status"]["state"],
        )
        for each in client.get("/api/v2/alerts").json()
        if labels.items() <= each["labels"].items()
    }


def test_amtool_finds_nothing_wrong_with_the_configuration() -> None:
    done = subprocess.run(
        [find("amtool", PROGRAM), "check-config", CONFIG],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_goes_to_who_is_told_of_its_severity(
    alertmanager: httpx.Client,
) -> None:
    for name in ALERTS:
        tell(alertmanager, name, job="each", instance=name)
    until(lambda: len(shown(alertmanager, job="each")) == len(ALERTS))
    found = shown(alertmanager, job="each")
    assert {name: receiver for name, (receiver, _) in found.items()} == {
        name: rule["labels"]["severity"] for name, rule in ALERTS.items()
    }


def test_a_model_that_fails_is_not_told_twice(alertmanager: httpx.Client) -> None:
    fast = {"job": "two", "model": "digits", "objective": "availability"}
    slow = {"job": "two", "model": "photo", "objective": "latency"}
    tell(alertmanager, "ServeryModelBudgetBurnsFast", **fast)
    tell(alertmanager, "ServeryErrorBudgetBurnsFast", job="two")
    tell(alertmanager, "ServeryModelBudgetBurnsSlowly", **slow)
    until(
        lambda: (
            shown(alertmanager, job="two")
            == {
                "ServeryModelBudgetBurnsFast": ("page", "active"),
                "ServeryErrorBudgetBurnsFast": ("page", "suppressed"),
                "ServeryModelBudgetBurnsSlowly": ("ticket", "active"),
            }
        )
    )


def test_a_page_silences_a_ticket_about_the_same_and_no_other(
    alertmanager: httpx.Client,
) -> None:
    here = {"job": "one", "route": "/v1/predict/photo"}
    tell(alertmanager, "ServeryErrorRatioHigh", **here)
    tell(alertmanager, "ServeryShedding", **here)
    tell(alertmanager, "ServeryMemoryHigh", job="one", instance="a:8000")
    until(
        lambda: (
            shown(alertmanager, job="one")
            == {
                "ServeryErrorRatioHigh": ("page", "active"),
                "ServeryShedding": ("ticket", "suppressed"),
                "ServeryMemoryHigh": ("ticket", "active"),
            }
        )
    )

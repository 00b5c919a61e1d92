"""What operators and programs ask of the real server."""

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import DIGITS_VERSIONS, NEWEST_DIGITS
from tests.e2e.server import Server, settle, until

PATH = "/v1/predict/digits"


def metric(server: Server, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels."""
    text = server.client.get("/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_models_are_listed_with_their_versions(server: Server) -> None:
    models = server.client.get("/v1/models").json()["models"]
    (digits,) = [each for each in models if each["name"] == "digits"]
    assert digits["default_version"] == NEWEST_DIGITS
    assert digits["versions"] == [
        {"version": version, "state": "ready", "reason": None}
        for version in DIGITS_VERSIONS
    ]


def test_a_model_shows_its_manifest(server: Server) -> None:
    model = server.client.get("/v1/models/digits").json()
    manifest = model["versions"][0]["manifest"]
    assert manifest["metrics"]["test"]["accuracy"] >= 0.996
    assert manifest["training"]["data"][0]["sha256"]
    assert manifest["signatures"]["serving_default"]["inputs"][0] == {
        "name": "images",
        "dtype": "uint8",
        "shape": [None, 28, 28],
        "any_rank": False,
        "default": None,
    }


def test_the_reports_of_a_model_are_pictures(server: Server) -> None:
    version = server.client.get("/v1/models/digits").json()["versions"][0]
    assert len(version["reports"]) >= 4
    for path in version["reports"]:
        response = server.client.get(path)
        assert response.headers["content-type"] == "image/png"
        assert response.content.startswith(b"\x89PNG")
    for nothing in ("none.png", "..%2fmanifest.json", "%2e%2e/manifest.json"):
        path = f"/v1/models/digits/versions/2/report/{nothing}"
        assert server.client.get(path).status_code == 404


def test_health_is_told_apart(server: Server) -> None:
    assert server.client.get("/livez").json() == {"status": "alive"}
    assert server.client.get("/readyz").json() == {"status": "ready"}


def test_every_answer_carries_an_id_and_its_times(server: Server, seven: bytes) -> None:
    response = server.client.post(PATH, files={"file": seven})
    assert len(response.headers["x-request-id"]) == 16
    timing = response.headers["server-timing"]
    assert [part.split(";")[0] for part in timing.split(", ")] == [
        "decode",
        "queue",
        "compute",
        "batch",
    ]
    response = server.client.get("/livez", headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("value", ["a b", "x" * 129, 'quote"', "<script>"])
def test_an_id_that_is_not_safe_to_log_is_replaced(server: Server, value: str) -> None:
    response = server.client.get("/livez", headers={"x-request-id": value})
    assert response.headers["x-request-id"] != value


def test_metrics_add_up_over_all_processes(
    server: Server, sample: tuple[np.ndarray, np.ndarray], seven: bytes
) -> None:
    assert len(server.children("web")) == 2
    settle()
    route = {"route": PATH, "status": "200", "model": "digits"}
    requests = metric(server, "servery_request_seconds_count", **route)
    labelled = metric(server, "servery_predictions_total", model="digits", label="7")
    rows = metric(server, "servery_batch_rows_sum", model="digits")
    for _ in range(20):  # each on a connection of its own, so that both processes serve
        headers = {"connection": "close", "content-type": "image/png"}
        server.client.post(PATH, content=seven, headers=headers)
    until(
        lambda: (
            metric(server, "servery_request_seconds_count", **route) == requests + 20
        )
    )
    settle()
    seen = metric(server, "servery_predictions_total", model="digits", label="7")
    assert seen == labelled + 20
    assert metric(server, "servery_batch_rows_sum", model="digits") == rows + 20
    assert {line["process"] for line in server.log_lines(path=PATH)} == {
        "http-0",
        "http-1",
    }


def test_metrics_say_what_is_loaded_and_what_is_refused(server: Server) -> None:
    state = {"model": "digits", "version": str(NEWEST_DIGITS), "state": "ready"}
    assert metric(server, "servery_model_state", **state) == 1
    assert metric(server, "servery_model_load_seconds", model="digits") > 0
    before = metric(server, "servery_rejections_total", reason="not_found")
    server.client.get("/made/up/path")
    after = metric(server, "servery_rejections_total", reason="not_found")
    assert after == before + 1
    assert "made" not in server.client.get("/metrics").text


def test_a_model_name_that_is_made_up_makes_no_series(server: Server) -> None:
    server.client.get("/v1/models/made-up")
    assert "made-up" not in server.client.get("/metrics").text


def test_every_line_of_the_log_is_json(server: Server) -> None:
    banner, *lines = server.log.read_text().splitlines()
    assert banner.startswith("Servery on http://")
    assert all(line.startswith("{") for line in lines)


def test_the_documentation_is_served(server: Server) -> None:
    assert "swagger" in server.client.get("/docs").text

"""Administration over HTTP: who may, what it does, what it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.models.predicting import Application, accepted, refused
from tests.versions import publish_shipped

TOKEN = "correct horse"
VOTES: dict[str, Any] = {"votes": {}}
ROUTES = [
    ("POST", "/v1/admin/models/party/load"),
    ("POST", "/v1/admin/models/party/unload"),
    ("PUT", "/v1/admin/models/party/labels/stable?version=1"),
    ("DELETE", "/v1/admin/models/party/labels/stable"),
    ("POST", "/v1/admin/models/party/rollback"),
    ("POST", "/v1/admin/reload"),
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    application = Application(tmp_path_factory.mktemp("closed"))
    yield application
    application.close()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    for version in (1, 2):
        publish_shipped(tmp_path, "party", version)
    return tmp_path


SETTINGS: dict[str, Any] = {
    "admin_token": TOKEN, "retire_delay_s": 0, "poll_seconds": 3600
}  # fmt: skip


@pytest.fixture
def application(artifacts: Path) -> Iterator[Application]:
    application = Application(artifacts, **SETTINGS)
    yield application
    application.close()


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """One for all tests of what is refused: version 2 answers, before and after."""
    folder = tmp_path_factory.mktemp("unchanged")
    for version in (1, 2):
        publish_shipped(folder, "party", version)
    application = Application(folder, **SETTINGS)
    yield application
    application.close()


def tell(application: Application, method: str, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return application.ask(f"/v1/admin{path}", method, headers=headers)


def answers(application: Application) -> int:
    """The version that does where none is named."""
    version: int = accepted(application.ask("/v1/predict/party", json=VOTES))["version"]
    return version


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_set_it_is_closed_to_everybody(
    closed: Application, method: str, path: str
) -> None:
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer None"}):
        said = refused(closed.ask(path, method, headers=headers), 403, "forbidden")
        assert "SERVERY_ADMIN_TOKEN" in said


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whoever_has_not_the_token_is_refused(
    unchanged: Application, method: str, path: str
) -> None:
    for sent in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
        headers = {"authorization": sent} if sent else {}
        response = unchanged.ask(path, method, headers=headers)
        said = refused(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in said
    assert answers(unchanged) == 2


def test_a_token_of_any_bytes_is_compared(unchanged: Application) -> None:
    headers = [(b"authorization", "Bearer é".encode())]
    response = unchanged.ask("/v1/admin/reload", headers=headers)
    refused(response, 401, "unauthenticated")


def test_versions_are_rolled_back_labelled_unloaded_and_loaded(
    application: Application,
) -> None:
    outcome = accepted(tell(application, "POST", "/models/party/rollback"))
    assert (outcome["default_version"], outcome["labels"]) == (1, {"stable": 1})
    assert answers(application) == 1
    accepted(tell(application, "PUT", "/models/party/labels/canary?version=2"))
    listed = application.ask("/v1/models", "GET").json()["models"]
    (party,) = [each for each in listed if each["name"] == "party"]
    assert party["labels"] == {"canary": 2, "stable": 1}
    accepted(tell(application, "DELETE", "/models/party/labels/canary"))
    accepted(tell(application, "DELETE", "/models/party/labels/stable"))
    assert answers(application) == 2
    accepted(tell(application, "POST", "/models/party/unload?version=2"))
    assert answers(application) == 1
    accepted(tell(application, "POST", "/models/party/unload"))
    response = application.ask("/v1/predict/party", json=VOTES)
    assert "unloaded" in refused(response, 503, "model_not_ready")
    accepted(tell(application, "POST", "/models/party/load"))
    assert answers(application) == 2


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/models/prty/load", 404, "model_not_found"),
        ("POST", "/models/party/load?version=9", 404, "version_not_found"),
        ("POST", "/models/party/load?version=0", 422, "invalid_input"),
        ("POST", "/models/prty/unload", 404, "model_not_found"),
        ("POST", "/models/party/unload?version=9", 404, "version_not_found"),
        ("PUT", "/models/party/labels/stable", 422, "invalid_input"),
        ("PUT", "/models/party/labels/stable?version=9", 404, "version_not_found"),
        ("PUT", "/models/party/labels/a%20b?version=1", 422, "invalid_input"),
        ("DELETE", "/models/party/labels/stable", 422, "invalid_input"),
        ("POST", "/models/prty/rollback", 404, "model_not_found"),
    ],
)
def test_what_makes_no_sense_is_refused(
    unchanged: Application, method: str, path: str, status: int, code: str
) -> None:
    refused(tell(unchanged, method, path), status, code)
    assert answers(unchanged) == 2


def test_the_file_is_read_and_what_is_wrong_with_it_is_seen(
    application: Application, artifacts: Path
) -> None:
    file = artifacts / "models.toml"
    file.write_text("[models.party]\nlabels = {stable = 1}\ntimeout_ms = 1234")
    accepted(tell(application, "POST", "/reload"))
    assert answers(application) == 1
    shown = application.ask("/v1/models/party", "GET").json()
    assert (shown["labels"], shown["policy"]["timeout_ms"]) == ({"stable": 1}, 1234)
    file.write_text("[models.party]\nlabel = {stable = 2}")
    said = refused(tell(application, "POST", "/reload"), 422, "invalid_input")
    assert "did you mean" in said
    assert "label" in application.ask("/v1/models", "GET").json()["problem"]
    assert answers(application) == 1
    metrics = application.ask("/metrics", "GET").text
    assert "servery_policies_in_force 0.0" in metrics


def test_a_models_own_time_ends_its_requests(
    application: Application, artifacts: Path
) -> None:
    (artifacts / "models.toml").write_text("[models.party]\ntimeout_ms = 1")
    accepted(tell(application, "POST", "/reload"))
    votes: dict[str, Any] = {"json": {"members": [{}] * 64}}
    requests = [("/v1/predict/party", votes)] * 8  # for which the queue has room
    late = {each.status_code for each in application.ask_all(requests)}
    assert 504 in late or 503 in late
    patient = {**votes, "headers": {"x-request-timeout-ms": "30000"}}
    accepted(application.ask("/v1/predict/party", **patient))


def test_operators_get_through_when_it_is_full(artifacts: Path) -> None:
    application = Application(artifacts, admin_token=TOKEN, max_in_flight=1)
    call = {"headers": {"authorization": f"Bearer {TOKEN}"}}
    paths = ["/v1/admin/models/party/rollback", "/v1/admin/reload"] * 2
    outcomes = application.ask_all([(path, call) for path in paths])
    application.close()
    assert 503 not in {each.status_code for each in outcomes}


def test_the_token_is_written_nowhere() -> None:
    settings = Settings(admin_token=TOKEN)
    assert TOKEN not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert "admin_token" not in settings.model_dump_json()

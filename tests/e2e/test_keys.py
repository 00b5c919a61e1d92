"""API keys on the real service: every door, both headers, rates over all processes."""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

import servery
from service.cli import cli
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.server import Server, settle, until

pytestmark = pytest.mark.slow  # for its service

Body = dict[str, Any]
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}
DOORS: dict[str, Body] = {
    "/v1/predict/sine": {"record": {"x": 0.5}},
    "/v1/predict/sine?version=2": {"record": {"x": 0.5}},
    "/hf/sine": {"table": {"x": [0.5]}},
    "/v1/models/sine:predict": {"instances": [0.5]},
    "/v1/models/sine/versions/2:predict": {"instances": [0.5]},
    "/v2/models/sine/infer": {"inputs": [TENSOR]},
    "/v2/models/sine/versions/2/infer": {"inputs": [TENSOR]},
}
OPEN = ["/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/models",
        "/v2/health/ready", "/v2/models/sine", "/page/app.js"]  # fmt: skip


class Keys:
    """The file, by the command that operators use."""

    def __init__(self, path: Path):
        self.path = path

    def run(self, *words: str) -> str:
        given = ["keys", words[0], "--file", str(self.path), *words[1:]]
        result = CliRunner().invoke(cli, given)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    def add(self, name: str, *limits: str) -> str:
        return self.run("add", name, *limits)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "keys.toml")


@pytest.fixture(scope="module")
def known(keys: Keys) -> dict[str, str]:
    """What is there when the service starts."""
    return {
        "app": keys.add("app"),
        "other": keys.add("other", "--models", "digits,churn"),
        "once": keys.add("once", "--requests-per-s", "0.001"),
        "narrow": keys.add("narrow", "--rows-per-s", "0.001"),
    }


@pytest.fixture(scope="module")
def server(
    keys: Keys, known: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("models")
    (folder / "sine").symlink_to(ARTIFACTS / "sine", target_is_directory=True)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(
        log, artifacts=folder, api_keys=keys.path, http_processes=2, poll_seconds=0.1
    ) as started:
        started.wait_ready()
        yield started


def ask(server: Server, key: str | None, path: str = "/v1/predict/sine") -> int:
    headers = {"x-api-key": key} if key else {}
    answer = httpx.post(server.url + path, json=DOORS[path], headers=headers)
    return answer.status_code


@pytest.mark.parametrize("path", DOORS)
def test_every_door_asks_for_a_key(
    server: Server, known: dict[str, str], path: str
) -> None:
    def post(**headers: str) -> httpx.Response:
        return server.client.post(path, json=DOORS[path], headers=headers)

    assert post(authorization=f"Bearer {known['app']}").status_code == 200
    assert post(**{"x-api-key": known["app"]}).status_code == 200
    none = post()
    assert none.status_code == 401
    assert none.json()["code"] == "unauthenticated"
    assert none.headers["www-authenticate"] == "Bearer"
    assert post(**{"x-api-key": "guessed"}).status_code == 401
    other = post(**{"x-api-key": known["other"]})
    assert other.status_code == 403
    assert other.json()["code"] == "forbidden"
    assert "digits, churn; received sine" in other.json()["error"]


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("odd", ["%0A", "/", "//", "%00"])
def test_no_odd_spelling_of_a_door_leads_around_it(
    server: Server, path: str, odd: str
) -> None:
    spelt, _, query = path.partition("?")
    address = f"{spelt}{odd}" + (f"?{query}" if query else "")
    for each in (address, address.replace("sine", "%73ine"), f"/.{address}"):
        assert server.client.post(each, json=DOORS[path]).status_code in {
            400, 401, 404, 405,
        }  # fmt: skip


@pytest.mark.parametrize("path", OPEN)
def test_what_computes_nothing_stays_open(server: Server, path: str) -> None:
    assert server.client.get(path).status_code == 200


def test_administration_takes_no_api_key(server: Server, known: dict[str, str]) -> None:
    for path in ("/v1/admin/reload", "/v2/repository/models/sine/load"):
        headers = {"authorization": f"Bearer {known['app']}"}
        assert server.client.post(path, headers=headers).status_code == 403


def test_a_large_body_is_refused_before_it_is_sent(server: Server) -> None:
    address = httpx.URL(server.url)
    head = (
        "POST /v2/models/sine/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
    )
    with socket.create_connection((address.host, address.port), 30) as connection:
        connection.sendall(head.encode() + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 401"


def test_a_refusal_of_a_small_one_leaves_the_connection_open(
    server: Server, known: dict[str, str]
) -> None:
    with httpx.Client(base_url=server.url) as client:
        for key in ("wrong", known["app"], "wrong"):
            answer = client.post(
                "/v1/predict/sine",
                json=DOORS["/v1/predict/sine"],
                headers={"x-api-key": key},
            )
            assert "connection" not in answer.headers


def test_a_rate_holds_over_all_processes(server: Server, known: dict[str, str]) -> None:
    statuses = Counter(ask(server, known["once"]) for _ in range(24))
    assert statuses == {200: 1, 429: 23}


def test_rows_are_counted_too_and_the_answer_says_when_to_come_again(
    server: Server, known: dict[str, str]
) -> None:
    def post() -> httpx.Response:
        return server.client.post(
            "/v1/predict/sine",
            json={"records": [{"x": 0.1}] * 4},
            headers={"x-api-key": known["narrow"]},
        )

    assert post().status_code == 200
    again = post()
    assert again.status_code == 429
    assert again.json()["code"] == "rate_exceeded"
    assert int(again.headers["retry-after"]) > 60


def test_who_asked_is_in_log_and_metrics_by_name_and_never_by_key(
    server: Server, known: dict[str, str]
) -> None:
    assert ask(server, known["app"]) == 200
    ask(server, "a-key-that-nobody-has")
    settle()
    assert server.log_lines(key="app", status=200)
    metrics = server.client.get("/metrics").text
    found = re.search(
        r'servery_key_requests_total\{key="app",outcome="ok"\} (\S+)', metrics
    )
    assert found
    assert float(found[1]) >= 1
    said = metrics + server.log.read_text()
    for secret in (*known.values(), "a-key-that-nobody-has"):
        assert secret not in said


def test_changes_of_the_file_hold_without_a_restart(server: Server, keys: Keys) -> None:
    key = keys.add("guest")
    until(lambda: ask_all(server, key) == {200})
    keys.run("revoke", "guest")
    until(lambda: ask_all(server, key) == {401})


def test_a_broken_file_changes_nothing_and_is_told(
    server: Server, keys: Keys, known: dict[str, str]
) -> None:
    good = keys.path.read_text()
    keys.path.write_text("[keys")
    broken = "servery_api_keys_broken 1.0"
    until(lambda: broken in server.client.get("/metrics").text)
    assert ask_all(server, known["app"]) == {200}
    assert server.log_lines(level="error")
    keys.path.write_text(good)
    until(lambda: broken not in server.client.get("/metrics").text)


def ask_all(server: Server, key: str) -> set[int]:
    """What all processes say, as far as a dozen connections reach them."""
    return {ask(server, key) for _ in range(12)}


def test_the_clients_show_their_key(server: Server, known: dict[str, str]) -> None:
    with servery.Client(server.url, api_key=known["app"]) as client:
        assert client.predict("sine", {"x": 0.5})
    with (
        servery.Client(server.url) as stranger,
        pytest.raises(servery.AccessRefused, match="expected Bearer and an API key"),
    ):
        stranger.predict("sine", {"x": 0.5})
    with (
        servery.Client(server.url, api_key=known["once"]) as client,
        pytest.raises(servery.Unavailable) as caught,
    ):
        client.predict("sine", {"x": 0.5})
        client.predict("sine", {"x": 0.5})
    assert caught.value.code == "rate_exceeded"


def test_the_command_line_shows_it_too(server: Server, known: dict[str, str]) -> None:
    words = ["predict", "sine", '{"x": 0.5}', "--format", "json", "--url", server.url]
    told = CliRunner().invoke(cli, words, env={"SERVERY_API_KEY": known["app"]})
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)
    assert CliRunner().invoke(cli, words).exit_code == 1


def test_the_description_says_what_to_show(server: Server) -> None:
    document = server.client.get("/openapi.json").json()
    for path in ("/v1/predict/sine", "/v2/models/{name}/infer", "/hf/{name}"):
        operation = document["paths"][path]["post"]
        assert operation["security"] == [{"ApiKey": []}, {"ApiKeyHeader": []}]
        assert {"401", "403", "429"} <= operation["responses"].keys()
    assert "security" not in document["paths"]["/livez"]["get"]


def test_listening_to_all_without_keys_is_warned_of(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Server(log, host="0.0.0.0", artifacts=tmp_path):
        until(lambda: "WARNING: everybody who reaches this" in log.read_text())


def test_listening_to_this_machine_is_not(server: Server) -> None:
    assert "WARNING" not in server.log.read_text()

"""A running service is told by its operators, from the command line."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from service.cli import cli
from tests.e2e.server import Server, until
from tests.versions import publish_shipped

pytestmark = pytest.mark.slow

TOKEN = "only-for-this-test-7f3a"
CALLERS = 8
MOVES = 12
MASS = {"masses": [{"shape": "oval", "margin": "circumscribed", "age": 50}]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    artifacts = tmp_path / "artifacts"
    for version in (1, 2, 3):
        publish_shipped(artifacts, "mammogram", version)
    (artifacts / "models.toml").write_text("[models.mammogram]\nlabels = {stable = 2}")
    with Server(
        tmp_path / "log",
        artifacts=artifacts,
        versions_kept=1,
        poll_seconds=0.2,
        retire_delay_s=1,
        http_processes=2,
        admin_token=TOKEN,
    ) as started:
        started.wait_ready()
        yield started


def command(server: Server, *words: str, token: str | None = TOKEN) -> Result:
    variables = {"SERVERY_URL": server.url, "SERVERY_ADMIN_TOKEN": token}
    return CliRunner().invoke(cli, words, env=variables)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def answers(server: Server) -> int:
    response = server.client.post("/v1/predict/mammogram", json=MASS)
    assert response.status_code == 200, response.text
    version: int = response.json()["version"]
    return version


def test_a_label_moves_under_load_and_no_request_fails(server: Server) -> None:
    outcomes: Counter[int] = Counter()
    versions: Counter[int] = Counter()

    async def ask(client: httpx.AsyncClient, over: asyncio.Event) -> None:
        while not over.is_set():
            response = await client.post("/v1/predict/mammogram", json=MASS)
            outcomes[response.status_code] += 1
            versions[response.json().get("version", 0)] += 1

    async def load() -> None:
        over = asyncio.Event()
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            callers = [asyncio.create_task(ask(client, over)) for _ in range(CALLERS)]
            headers = {"authorization": f"Bearer {TOKEN}"}
            for move in range(MOVES):  # 1 is loaded for it, and retired after it
                path = "/v1/admin/models/mammogram/labels/stable"
                moved = await client.put(
                    path, params={"version": 1 + move % 3}, headers=headers
                )
                if moved.status_code == 503:  # it is just about to retire
                    assert "draining" in moved.text
                    continue
                assert moved.status_code == 200, moved.text
            over.set()
            await asyncio.gather(*callers)

    asyncio.run(load())
    assert outcomes.keys() == {200}, outcomes
    assert set(versions) == {1, 2, 3}
    assert not server.log_lines(level="ERROR")


def test_operators_command_it_from_the_command_line(server: Server) -> None:
    assert answers(server) == 2
    assert "stable is mammogram 1" in done(command(server, "rollback", "mammogram"))
    assert answers(server) == 1
    done(command(server, "label", "mammogram", "canary", "3"))
    shown = done(command(server, "models"))
    assert "mammogram       1  ready     answers, stable" in shown
    assert "mammogram       3  ready     canary" in shown
    assert "labels: stable 1, canary 3; runtime: auto" in shown

    os.kill(server.child("engine"), signal.SIGKILL)  # a rollback must outlive that
    until(lambda: not server.is_ready())
    server.wait_ready()
    assert answers(server) == 1

    done(command(server, "label", "mammogram", "stable", "--remove"))
    assert answers(server) == 3
    done(command(server, "label", "mammogram", "canary", "--remove"))
    done(command(server, "unload", "mammogram"))
    assert server.client.post("/v1/predict/mammogram", json=MASS).status_code == 503
    done(command(server, "load", "mammogram"))
    assert answers(server) == 3
    assert "is in force" in done(command(server, "reload"))

    for words, said in (
        (("load", "mammogram", "9"), "has no version 9"),
        (("rollback", "mamogram"), "No model is named"),
        (("label", "mammogram", "stable"), "expected either a version or --remove"),
    ):
        result = command(server, *words)
        assert result.exit_code != 0
        assert said in result.output
    assert "expected Bearer" in command(server, "reload", token="wrong").output
    assert "received none" in command(server, "reload", token=None).output


def test_the_token_is_in_no_argument_no_log_and_no_engine(server: Server) -> None:
    done(command(server, "reload"))
    command(server, "reload", token=f"{TOKEN}x")
    processes = [server.process.pid, *server.children("web"), server.child("engine")]
    for process in processes:
        arguments = Path(f"/proc/{process}/cmdline").read_bytes()
        assert TOKEN.encode() not in arguments
    engine = Path(f"/proc/{server.child('engine')}/environ").read_bytes()
    assert TOKEN.encode() not in engine
    assert TOKEN not in server.log.read_text()
    listed = CliRunner().invoke(cli, ["settings"], env={"SERVERY_ADMIN_TOKEN": TOKEN})
    assert "SERVERY_ADMIN_TOKEN=***" in listed.output
    assert TOKEN not in listed.output

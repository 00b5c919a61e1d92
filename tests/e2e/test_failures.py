"""Things that die, fill up, run out of time or are told to stop."""

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.processes import cpu_seconds
from tests.e2e.conftest import to_base64, to_png
from tests.e2e.server import Server, alive, suspend, until
from tests.e2e.test_operations import metric
from tests.versions import publish_shipped
from tests.versions import until as until_async

pytestmark = pytest.mark.slow

PATH = "/v1/predict/digits"
PNG = {"content-type": "image/png"}
ARTIFACT = Path("artifacts/digits/1")


@pytest.fixture
def mortal(tmp_path: Path, digits: Path) -> Iterator[Server]:
    """A server of its own, to be killed."""
    with Server(tmp_path / "log", artifacts=digits, http_processes=2) as started:
        started.wait_ready()
        yield started


async def ask(client: httpx.AsyncClient, body: bytes, outcomes: Counter[str]) -> None:
    try:
        response = await client.post(PATH, content=body, headers=PNG)
    except httpx.TransportError as error:
        outcomes[type(error).__name__] += 1
        return
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
        assert response.json()["code"] in {"engine_gone", "model_not_ready"}
    outcomes[str(response.status_code)] += 1


def test_a_killed_engine_fails_its_callers_at_once_and_is_replaced(
    mortal: Server, seven: bytes
) -> None:
    first = mortal.child("engine")

    async def load() -> Counter[str]:
        outcomes: Counter[str] = Counter()
        async with httpx.AsyncClient(base_url=mortal.url, timeout=10) as client:

            async def caller() -> None:
                for _ in range(60):
                    await ask(client, seven, outcomes)

            callers = [asyncio.create_task(caller()) for _ in range(8)]
            await until_async(lambda: outcomes["200"] >= 40)
            os.kill(first, signal.SIGKILL)
            while "being loaded" not in (red := await client.get("/readyz")).text:
                pass
            assert red.status_code == 503
            await asyncio.gather(*callers)
        return outcomes

    outcomes = asyncio.run(load())
    assert set(outcomes) <= {"200", "503"}
    assert outcomes["503"] > 0
    assert mortal.client.get("/livez").status_code == 200
    mortal.wait_ready()
    assert mortal.child("engine") != first
    assert mortal.client.post(PATH, content=seven, headers=PNG).status_code == 200
    assert metric(mortal, "servery_process_restarts_total", process="engine") == 1


def test_a_killed_http_process_is_replaced_and_nobody_else_notices(
    mortal: Server, seven: bytes
) -> None:
    victim = mortal.children("web")[0]
    os.kill(victim, signal.SIGKILL)
    for _ in range(30):  # each on a connection of its own
        response = httpx.post(f"{mortal.url}{PATH}", content=seven, headers=PNG)
        assert response.status_code == 200
    mortal.client.close()
    mortal.client = httpx.Client(base_url=mortal.url, timeout=30)
    until(lambda: len(mortal.children("web")) == 2 and not alive(victim))
    until(lambda: metric(mortal, "servery_process_restarts_total", process="http") == 1)
    assert mortal.is_ready()


def test_sigterm_loses_no_request_that_was_accepted(
    mortal: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    encoded = [to_base64(to_png(each)) for each in sample[0]]
    body = json.dumps({"images": encoded[:200]}).encode()

    async def load() -> list[int]:
        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(base_url=mortal.url, timeout=60) as client:
            jobs = [
                asyncio.create_task(client.post(PATH, content=body, headers=headers))
                for _ in range(4)
            ]
            while True:
                text = (await client.get("/metrics")).text
                if "servery_batch_rows_count" in text and in_flight(text) >= 3:
                    break
            mortal.process.send_signal(signal.SIGTERM)
            return [response.status_code for response in await asyncio.gather(*jobs)]

    assert asyncio.run(load()) == [200] * 4
    assert mortal.process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{mortal.url}/livez")


def in_flight(text: str) -> float:
    lines = [line for line in text.splitlines() if "requests_in_flight " in line]
    return float(lines[-1].rpartition(" ")[2]) if lines else 0


def test_the_port_is_closed_while_what_was_accepted_is_finished(
    mortal: Server, seven: bytes
) -> None:
    engine = mortal.child("engine")
    os.kill(engine, signal.SIGSTOP)  # so that a request is under way for as long
    try:
        with ThreadPoolExecutor() as pool:
            job = pool.submit(mortal.client.post, PATH, content=seven, headers=PNG)
            until(lambda: metric(mortal, "servery_requests_in_flight") >= 1)
            mortal.process.send_signal(signal.SIGTERM)
            until(lambda: refuses(mortal.url))
            assert not mortal.ended
            os.kill(engine, signal.SIGCONT)
            assert job.result().status_code == 200
    finally:
        os.kill(engine, signal.SIGCONT)
    assert mortal.process.wait(30) == 0


def refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == errno.ECONNREFUSED


def test_readiness_turns_red_before_the_door_closes(
    tmp_path: Path, digits: Path, seven: bytes
) -> None:
    with Server(tmp_path / "log", artifacts=digits, drain_delay_s=2) as server:
        server.wait_ready()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.is_ready())
        response = server.client.post(PATH, content=seven, headers=PNG)
        assert response.status_code == 200
        assert response.headers["connection"] == "close"
        assert server.process.wait(30) == 0


def test_no_orphan_is_left_when_the_parent_is_killed(mortal: Server) -> None:
    children = [*mortal.children("web"), *mortal.children("engine")]
    assert len(children) == 3
    mortal.process.kill()
    until(lambda: not any(alive(pid) for pid in children), seconds=10)


def test_a_port_that_is_taken_is_said_plainly() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "service.cli", "serve", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits, on a folder of models that starts empty."""
    folder = tmp_path_factory.mktemp("small")
    artifacts = folder / "artifacts"
    with Server(
        folder / "log", artifacts=artifacts, max_queue_rows=64, poll_seconds=0.2
    ) as started:
        yield started


def default_version(server: Server) -> object:
    models = server.client.get("/v1/models").json()["models"]
    return next(m["default_version"] for m in models if m["name"] == "digits")


def test_a_server_without_models_takes_them_up_when_they_come(
    small: Server, seven: bytes
) -> None:
    until(lambda: bool(small.log_lines(level="error", logger="service.engine.watcher")))
    until(lambda: "cannot be read" in small.client.get("/readyz").json()["error"])
    response = small.client.post(PATH, content=seven, headers=PNG)
    body = response.json()
    assert (response.status_code, body["code"]) == (503, "model_not_ready")
    assert "python -m training digits" in body["error"]
    models = {
        each["name"]: each for each in small.client.get("/v1/models").json()["models"]
    }
    assert models["digits"]["how_to_get"] == "python -m training digits"
    publish_shipped(small.log.parent / "artifacts", "digits", 1)
    until(lambda: default_version(small) == 1)
    small.wait_ready()
    assert small.client.post(PATH, content=seven, headers=PNG).status_code == 200


def rests(pid: int, seconds: float = 0.5) -> bool:
    """Whether this process and those that it has started do nothing now."""
    busy_s = [cpu_seconds(pid)]
    time.sleep(seconds)
    busy_s.append(cpu_seconds(pid))
    return busy_s[1] - busy_s[0] < 0.1 * seconds


def test_a_full_queue_answers_503_at_once_and_serves_the_rest(
    small: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images = [to_base64(to_png(each)) for each in sample[0][:32]]
    before = metric(small, "servery_rejections_total", reason="queue_full")

    async def flood() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=small.url, timeout=60) as client:
            jobs = [client.post(PATH, json={"images": images}) for _ in range(40)]
            return await asyncio.gather(*jobs)

    engine = small.child("engine")
    with ThreadPoolExecutor() as pool:
        suspend(engine)  # so that all come to it at once, however fast it is
        try:
            job = pool.submit(asyncio.run, flood())
            until(lambda: metric(small, "servery_requests_in_flight") == 40)
            until(lambda: rests(small.child("web")))  # all is decoded, and sent
        finally:
            os.kill(engine, signal.SIGCONT)
        responses = job.result()
    outcomes = Counter(response.status_code for response in responses)
    assert set(outcomes) == {200, 503}
    assert outcomes[200] >= 2  # as many as 64 rows
    refused = [each for each in responses if each.status_code == 503]
    assert {each.json()["code"] for each in refused} == {"queue_full"}
    assert {each.headers["retry-after"] for each in refused} == {"1"}
    after = metric(small, "servery_rejections_total", reason="queue_full")
    assert after - before == outcomes[503]


def test_a_deadline_that_passes_is_answered_504(
    small: Server, sample: tuple[np.ndarray, np.ndarray], seven: bytes
) -> None:
    images = [to_base64(to_png(each)) for each in sample[0][:64]]
    headers = {"x-request-timeout-ms": "1"}
    response = small.client.post(PATH, json={"images": images}, headers=headers)
    body = response.json()
    assert (response.status_code, body["code"]) == (504, "deadline_exceeded")
    assert small.client.post(PATH, content=seven, headers=PNG).status_code == 200


def test_a_new_version_takes_over_without_a_failed_request(
    small: Server, seven: bytes
) -> None:
    async def load() -> tuple[Counter[str], Counter[int]]:
        outcomes: Counter[str] = Counter()
        versions: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=small.url, timeout=30) as client:

            async def caller() -> None:
                while versions[2] < 20:
                    response = await client.post(PATH, content=seven, headers=PNG)
                    outcomes[str(response.status_code)] += 1
                    versions[response.json()["version"]] += 1

            callers = [asyncio.create_task(caller()) for _ in range(4)]
            artifacts = small.log.parent / "artifacts"
            await asyncio.to_thread(publish_shipped, artifacts, "digits", 2)
            async with asyncio.timeout(60):
                await asyncio.gather(*callers)
        return outcomes, versions

    outcomes, versions = asyncio.run(load())
    assert set(outcomes) == {"200"}
    assert set(versions) == {1, 2}
    answer = small.client.post(f"{PATH}?version=1", content=seven, headers=PNG)
    assert answer.json()["version"] == 1


def test_a_caller_that_hangs_up_while_waiting_takes_its_rows_along(
    small: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    images = [to_base64(to_png(each)) for each in sample[0][:64]]
    body = json.dumps({"images": images}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: gone-waiting\r\n\r\n"
    ).encode()
    engine = small.child("engine")
    host, port = small.url.removeprefix("http://").split(":")
    os.kill(engine, signal.SIGSTOP)  # so that the answer does not come
    try:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + body)
            until(lambda: metric(small, "servery_requests_in_flight") >= 1)
        until(lambda: bool(small.log_lines(request_id="gone-waiting")))
    finally:
        os.kill(engine, signal.SIGCONT)
    (line,) = small.log_lines(request_id="gone-waiting")
    assert (line["status"], line["code"]) == (499, "client_disconnected")
    until(lambda: metric(small, "servery_waiting_rows") == 0)
    until(lambda: default_version(small) is not None)

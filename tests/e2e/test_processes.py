"""Processes that stand still, descriptors that run out, logs that nobody takes."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import ARTIFACTS, to_base64, to_png
from tests.e2e.server import Server, alive, child_of, until
from tests.e2e.test_operations import metric

pytestmark = pytest.mark.slow

PATH = "/v1/predict/digits"
PNG = {"content-type": "image/png"}


@pytest.fixture
def mortal(tmp_path: Path, digits: Path) -> Iterator[Server]:
    """A server of its own, with a model that TensorFlow computes."""
    settings = {"process_silence_s": 5, "runtime": "tensorflow"}
    with Server(tmp_path / "log", artifacts=digits, **settings) as started:
        started.wait_ready()
        yield started


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Meanwhile this process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_an_engine_that_stands_still_is_seen_bounded_and_replaced(
    tmp_path: Path, digits: Path, sample: tuple[np.ndarray, np.ndarray], seven: bytes
) -> None:
    images = [to_base64(to_png(each)) for each in sample[0][:200]]
    body = json.dumps({"images": images}).encode()
    headers = {"content-type": "application/json", "x-request-timeout-ms": "300"}
    late: list[float] = []

    async def flood(url: str, seconds: float) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        end = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:

            async def caller() -> None:
                while time.monotonic() < end:
                    answer = await client.post(PATH, content=body, headers=headers)
                    outcomes[str(answer.json().get("code"))] += 1

            await asyncio.gather(*(caller() for _ in range(16)))
        return outcomes

    with Server(
        tmp_path / "log",
        artifacts=digits,
        process_silence_s=10,
        max_engine_backlog_bytes=1_000_000,
    ) as server:
        server.wait_ready()
        engine, web = server.child("engine"), server.child("web")
        for _ in range(3):
            server.client.post(PATH, content=seven, headers=PNG)
        with stopped(engine):
            until(lambda: not server.is_ready())
            assert alive(engine)  # it is seen long before it is given up
            text = server.client.get("/readyz").json()["error"]
            assert "the engine does not respond" in text
            for _ in range(5):
                began = time.monotonic()
                answer = server.client.post(
                    PATH, content=seven, headers=PNG | {"x-request-timeout-ms": "200"}
                )
                late.append(time.monotonic() - began - 0.2)
                assert answer.status_code == 504
        assert max(late) < 2, late
        until(server.is_ready, seconds=10)
        assert server.child("engine") == engine
        assert server.client.post(PATH, content=seven, headers=PNG).status_code == 200

        before = resident_mb(web)
        with stopped(engine):
            outcomes = asyncio.run(flood(server.url, 6))
            grown = resident_mb(web) - before
            until(lambda: not alive(engine))
        assert grown < 60, outcomes
        assert outcomes["deadline_exceeded"] > 0
        until(lambda: bool(server.log_lines(level="error", process="supervisor")))
        server.wait_ready()
        assert server.child("engine") != engine
        assert server.client.post(PATH, content=seven, headers=PNG).status_code == 200


@pytest.mark.slow
def test_an_http_process_that_stands_still_is_replaced(mortal: Server) -> None:
    web = mortal.child("web")
    with stopped(web):
        until(lambda: not alive(web))
    mortal.client.close()
    mortal.client = httpx.Client(base_url=mortal.url, timeout=30)
    mortal.wait_ready()
    assert mortal.child("web") != web
    assert metric(mortal, "servery_process_restarts_total", process="http") == 1


@pytest.mark.slow
def test_a_process_that_cannot_be_started_is_tried_again(
    mortal: Server, seven: bytes
) -> None:
    supervisor, web = mortal.process.pid, mortal.child("web")
    limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(web, signal.SIGKILL)
    until(lambda: bool(starting_failures(mortal)))
    assert not mortal.ended
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
    mortal.client.close()
    mortal.client = httpx.Client(base_url=mortal.url, timeout=30)
    mortal.wait_ready()
    assert mortal.client.post(PATH, content=seven, headers=PNG).status_code == 200
    assert mortal.stop() == 0


def starting_failures(server: Server) -> list[object]:
    lines = server.log_lines(process="supervisor", level="error")
    return [line for line in lines if "cannot be started" in line["message"]]


def test_idle_processes_cost_next_to_nothing(mortal: Server) -> None:
    pids = [mortal.process.pid, mortal.child("engine"), mortal.child("web")]
    time.sleep(1)
    before = [cpu_s(pid) for pid in pids]
    time.sleep(5)
    used = [cpu_s(pid) - then for pid, then in zip(pids, before, strict=True)]
    assert max(used[:2]) < 0.1  # the HTTP process's clock is uvicorn's


@pytest.mark.slow
def test_a_folder_for_temporary_files_is_not_needed(
    tmp_path: Path, digits: Path, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", f"/tmp/{'long' * 40}/missing")
    with Server(tmp_path / "log", artifacts=digits) as server:
        server.wait_ready()
        assert server.client.post(PATH, content=seven, headers=PNG).status_code == 200
        until(lambda: metric(server, "servery_batch_rows_sum", model="digits") == 1)
        assert not server.log_lines(level="error")
        assert server.stop() == 0


@pytest.mark.slow
def test_counts_outlive_the_process_that_counted(mortal: Server, seven: bytes) -> None:
    web, engine = mortal.child("web"), mortal.child("engine")
    for _ in range(7):
        mortal.client.post(PATH, content=seven, headers=PNG)
    until(lambda: metric(mortal, "servery_batch_rows_sum", model="digits") == 7)
    route = {"route": PATH, "status": "200"}
    until(lambda: metric(mortal, "servery_request_seconds_count", **route) == 7)
    os.kill(engine, signal.SIGKILL)
    os.kill(web, signal.SIGKILL)
    until(lambda: not alive(web) and not alive(engine))
    mortal.client.close()
    mortal.client = httpx.Client(base_url=mortal.url, timeout=30)
    mortal.wait_ready()
    assert metric(mortal, "servery_request_seconds_count", **route) == 7
    assert metric(mortal, "servery_batch_rows_sum", model="digits") == 7
    for _ in range(3):
        mortal.client.post(PATH, content=seven, headers=PNG)
    until(lambda: metric(mortal, "servery_request_seconds_count", **route) == 10)
    ready = {"model": "digits", "state": "ready"}
    assert metric(mortal, "servery_model_state", **ready) == 1
    assert metric(mortal, "servery_requests_in_flight") == 0


@contextmanager
def serving(
    stdout: int, digits: Path, **more: object
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`servery serve` that writes its log to `stdout`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "service.cli", "serve", "--port", port]
    process = subprocess.Popen(
        [*command, "--artifacts", str(digits)],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SERVERY_MAX_LOG_BACKLOG_BYTES": "20000"},
        **more,  # type: ignore[call-overload]
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/readyz"))
        yield process, url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def dropped(url: str) -> float:
    text = httpx.get(f"{url}/metrics").text
    name = "servery_log_lines_dropped_total "
    return float(next(each for each in text.splitlines() if each.startswith(name))[32:])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stuck pipe", "pipe without reader", "full disk"])
def test_a_log_that_nobody_takes_stops_nothing(
    kind: str, digits: Path, seven: bytes
) -> None:
    if kind == "full disk":
        stdout = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, stdout = os.pipe()
        fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, 4096)
        if kind == "pipe without reader":
            os.close(reading)
    with serving(stdout, digits) as (process, url):
        os.close(stdout)
        with httpx.Client(base_url=url, headers=PNG, timeout=10) as client:
            for _ in range(400):
                assert client.post(PATH, content=seven).status_code == 200
        until(lambda: dropped(url) > 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_a_terminal_that_closes_drains_the_service(digits: Path) -> None:
    terminal, stdout = pty.openpty()
    with contextlib.ExitStack() as stack:
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests
        stack.callback(signal.signal, signal.SIGHUP, before)
        serves = serving(stdout, digits, start_new_session=True)
        process, url = stack.enter_context(serves)
        os.close(stdout)
        reader = threading.Thread(target=read_to_end, args=(terminal,))
        reader.start()
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
        reader.join(60)
        os.close(terminal)
        assert not answers(f"{url}/livez")


def read_to_end(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


@pytest.mark.slow
def test_a_hang_up_that_is_ignored_stays_so(digits: Path) -> None:
    """As `nohup` does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serving(os.open(os.devnull, os.O_WRONLY), digits) as (process, url):
            process.send_signal(signal.SIGHUP)
            assert answers(f"{url}/livez")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sigterm_while_loading_does_not_wait_for_all_loads(tmp_path: Path) -> None:
    with Server(tmp_path / "log") as server:
        until(lambda: bool(server.children("engine")))
        until(lambda: "loading" in readiness(server))
        assert server.stop() == 0
        lines = server.log_lines(process="engine")
        ready = [line for line in lines if line["message"].endswith(" is ready")]
        assert len(ready) < len(list(ARTIFACTS.iterdir()))


def readiness(server: Server) -> str:
    try:
        return server.client.get("/readyz").text
    except httpx.TransportError:
        return ""


@pytest.mark.slow
@pytest.mark.parametrize("held_by", ["a slow body", "a stopped engine"])
def test_a_drain_has_one_limit_of_time(
    held_by: str, tmp_path: Path, digits: Path, seven: bytes
) -> None:
    limit_s = 5
    with Server(tmp_path / "log", artifacts=digits, drain_timeout_s=limit_s) as server:
        server.wait_ready()
        host, port = server.url.removeprefix("http://").split(":")
        with contextlib.ExitStack() as stack:
            if held_by == "a stopped engine":
                stack.enter_context(stopped(server.child("engine")))
            slow = stack.enter_context(socket.create_connection((host, int(port))))
            head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
            slow.sendall(f"{head}content-length: 1000000\r\n\r\n".encode() + seven)
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 2 * limit_s


def test_asked_twice_it_ends_at_once(tmp_path: Path, digits: Path) -> None:
    with Server(tmp_path / "log", artifacts=digits, drain_delay_s=120) as server:
        server.wait_ready()
        server.process.send_signal(signal.SIGINT)
        until(lambda: not server.is_ready())
        server.process.send_signal(signal.SIGINT)
        server.process.wait(60)


@pytest.mark.slow
def test_connections_are_spread_over_all_processes(
    tmp_path: Path, digits: Path
) -> None:
    with Server(tmp_path / "log", artifacts=digits, http_processes=4) as server:
        until(
            lambda: len(server.log_lines(message="Application startup complete.")) == 4
        )
        for _ in range(64):
            httpx.get(f"{server.url}/livez")
        until(lambda: len(server.log_lines(path="/livez")) == 64)
        spread = Counter(line["process"] for line in server.log_lines(path="/livez"))
        assert len(spread) == 4
        assert min(spread.values()) >= 4
        assert server.stop() == 0


def test_what_happens_to_the_supervisor_s_own_work_is_not_kept_secret(
    tmp_path: Path, digits: Path
) -> None:
    code = (
        "from service.processes import keeper\n"
        "async def fail(*_): raise ValueError('of all things')\n"
        "keeper.Keeper._run_once = fail\n"
        "from service.cli import cli; cli()"
    )
    command = [sys.executable, "-c", code, "serve", "--port", "0"]
    ended = subprocess.run(
        [*command, "--artifacts", str(digits)], capture_output=True, timeout=30
    )
    assert ended.returncode == 1
    assert b"of all things" in ended.stdout


def mapped_libraries(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(words[5]).name for line in lines if len(words := line.split()) > 5}


@pytest.mark.slow
def test_a_batch_that_its_process_dies_of_names_its_requests(
    mortal: Server, seven: bytes
) -> None:
    inner = child_of(mortal.child("engine"))
    headers = PNG | {"x-request-id": "doomed", "x-request-timeout-ms": "500"}
    with stopped(inner):
        answer = mortal.client.post(PATH, content=seven, headers=headers)
        assert answer.status_code == 504
        os.kill(inner, signal.SIGKILL)
        until(lambda: bool(mortal.log_lines(message="a batch failed")))
    (line,) = mortal.log_lines(message="a batch failed")
    assert (line["request_ids"], line["process"]) == (["doomed"], "engine")
    assert "ProcessDied" in line["exception"]


@pytest.mark.slow
def test_tensorflow_is_in_a_process_of_its_own_that_lives_and_dies_with_the_engine(
    mortal: Server, seven: bytes
) -> None:
    engine = mortal.child("engine")
    inner = child_of(engine)
    libraries = mapped_libraries(inner)
    assert any("libtensorflow" in name for name in libraries)
    assert not any("tensorflow" in name for name in mapped_libraries(engine))
    assert resident_mb(engine) < resident_mb(inner) / 2
    for name in ("engine", "tensorflow-0"):
        assert metric(mortal, "servery_process_resident_bytes", process=name) > 1e7
        assert metric(mortal, "servery_process_cpu_seconds_total", process=name) > 0

    os.kill(inner, signal.SIGKILL)
    until(lambda: not mortal.is_ready())
    assert not alive(inner)
    mortal.wait_ready()
    assert mortal.child("engine") == engine
    assert mortal.client.post(PATH, content=seven, headers=PNG).status_code == 200
    restarts = "servery_process_restarts_total"
    assert metric(mortal, restarts, process="tensorflow") == 1
    assert metric(mortal, restarts, process="engine") == 0

    inner = child_of(engine)
    os.kill(engine, signal.SIGKILL)
    until(lambda: not alive(inner), 5)
    until(lambda: not mortal.is_ready())
    mortal.wait_ready()
    assert mortal.client.post(PATH, content=seven, headers=PNG).status_code == 200
    inner = child_of(mortal.child("engine"))
    assert mortal.stop() == 0
    assert not alive(inner)

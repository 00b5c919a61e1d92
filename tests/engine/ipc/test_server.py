"""The engine through a real Unix socket."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.engine.batching.batcher import Answer, Batcher
from service.engine.batching.tensors import Tensors
from service.engine.commands import Command
from service.engine.engine import Engine
from service.engine.ipc import client as engine_client
from service.engine.ipc import connection, server
from service.engine.ipc.client import BULKY_BYTES, EngineClient
from service.engine.ipc.server import start_server
from service.engine.versions import CONCURRENT_BATCHES
from service.errors import (
    DeadlineExceeded,
    EngineGone,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    QueueFull,
    TooManyRows,
    VersionNotFound,
)
from service.metrics import Metrics
from service.processes.sockets import listen_privately, unix_address
from service.settings import Settings
from tests.versions import Multiplier, MultiplierLoader, until, write_version


class House:
    """An engine, its server, and a client of it."""

    def __init__(self, folder: Path, silence_s: float):
        self.listener, self.name = listen_privately()
        self.settings = Settings(
            artifacts=folder / "artifacts", max_queue_rows=8, drain_timeout_s=1
        )
        self.loader = MultiplierLoader()
        self.client = EngineClient(self.name, silence_s=silence_s)

    async def open(self) -> None:
        metrics = Metrics(CollectorRegistry())
        self.engine = Engine(self.settings, metrics, lambda: self.loader)
        await self.engine.start()
        self.server = await start_server(self.engine, self.listener)
        await until(lambda: self.client.catalog.settled)

    async def close(self) -> None:
        self.server.close()
        await self.engine.stop()

    @property
    def model(self) -> Multiplier:
        return self.loader.loaded["times", 1]

    @property
    def batcher(self) -> Batcher:
        loaded = self.engine._registry.get(("times", 1))
        assert loaded is not None
        return loaded.batchers["serving_default"]

    def submit(self, *values: int, seconds: float = 30) -> asyncio.Future[Answer]:
        rows = (np.array(values, np.int64),)
        deadline = time.monotonic() + seconds
        return self.client.submit("times", None, "serving_default", rows, deadline)

    async def fill_lanes(self) -> list[asyncio.Future[Answer]]:
        """Requests that run until the model is free; what comes after them waits."""
        self.model.free.clear()
        running = []
        while self.model.running < CONCURRENT_BATCHES:
            before = self.model.running
            running.append(self.submit(1))
            await until(lambda: self.model.running > before)  # noqa: B023 - used now
        return running


@asynccontextmanager
async def house_of(folder: Path, silence_s: float = 2.0) -> AsyncIterator[House]:
    write_version(folder / "artifacts", "times", 1)
    house = House(folder, silence_s)
    await asyncio.gather(house.client.start(), house.open())
    try:
        yield house
    finally:
        house.model.free.set()
        await house.client.stop()
        await house.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_every_request_gets_its_own_rows_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            house.model.free.clear()
            futures = [house.submit(n) for n in range(5)]
            house.model.free.set()
            answers = await asyncio.gather(*futures)
            assert [int(a.outputs[0][0]) for a in answers] == [0, 2, 4, 6, 8]
            assert answers[-1].version == 1
            assert answers[-1].batch_rows >= 1

    run(test)


def test_a_batch_that_fails_names_its_requests_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(signature: str, rows: Tensors) -> Tensors:
        raise ArithmeticError("of the model")

    async def test() -> None:
        async with house_of(tmp_path) as house:
            house.model.run = fail  # type: ignore[method-assign]
            rows, far = (np.ones(2, np.int64),), time.monotonic() + 30
            asked = [
                house.client.submit("times", None, "serving_default", rows, far, name)
                for name in ("first", "second")
            ]
            for future in asked:
                with pytest.raises(ModelFailed):
                    await future

    run(test)
    failures = [each for each in caplog.records if each.message == "a batch failed"]
    found = [each.__dict__["facts"] for each in failures]
    assert sorted(found, key=lambda facts: str(facts["request_ids"])) == [
        {"request_ids": ["first"], "rows": 2},
        {"request_ids": ["second"], "rows": 2},
    ]


def test_what_is_sent_together_is_judged_each_for_itself(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            far = time.monotonic() + 30
            wrong = (np.zeros((1, 3), np.int64),)
            uneven = (np.zeros(1, np.int64), np.zeros(2, np.int64))
            running = await house.fill_lanes()
            first = house.submit(1, 2)
            refused = {
                house.client.submit(
                    "times", None, "serving_default", wrong, far
                ): InvalidInput,
                house.client.submit(
                    "times", None, "serving_default", uneven, far
                ): InvalidInput,
                house.submit(*range(9)): QueueFull,
                house.submit(3, seconds=-1): DeadlineExceeded,
            }
            last = house.submit(4)
            for future, error in refused.items():
                with pytest.raises(error):
                    await future
            house.model.free.set()
            assert (await first).outputs[0].tolist() == [2, 4]
            assert (await last).outputs[0].tolist() == [8]
            await asyncio.gather(*running)

    run(test)


def test_what_cannot_be_sent_fails_alone(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            far, rows = time.monotonic() + 30, (np.zeros(1, np.int64),)
            running = await house.fill_lanes()
            first = house.submit(1)
            unsendable = house.client.submit("x" * 256, None, "s", rows, far)
            last = house.submit(2)
            with pytest.raises(ValueError, match="256"):
                await unsendable
            house.model.free.set()
            await asyncio.gather(first, last, *running)

    run(test)


def test_bulky_rows_travel_alone(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            many = np.arange(1 + BULKY_BYTES // 8)
            futures = [
                house.client.submit(
                    "times", None, "serving_default", (many[:n],), time.monotonic() + 30
                )
                for n in (len(many), 1, len(many))
            ]
            for future in (futures[0], futures[2]):
                with pytest.raises(TooManyRows):
                    await future
            assert (await futures[1]).outputs[0].tolist() == [0]

    run(test)


def test_the_client_sees_what_the_engine_holds(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            assert house.client.catalog == house.engine.catalog
            write_version(house.settings.artifacts, "plus", 1)
            await house.engine.reconcile()
            await house.engine.reconcile()  # its files have come to rest
            await until(lambda: house.client.catalog == house.engine.catalog)
            assert "plus" in house.client.catalog.models

    run(test)


def test_errors_cross_the_door_as_themselves(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            far = time.monotonic() + 30
            wrong = (np.zeros(1, np.float32),)
            with pytest.raises(InvalidInput, match="expected int64"):
                await house.client.submit("times", None, "serving_default", wrong, far)
            with pytest.raises(ModelNotFound):
                await house.client.submit("none", None, "serving_default", wrong, far)
            with pytest.raises(QueueFull) as full:
                await house.submit(*range(9))
            assert full.value.headers == {"retry-after": "1"}
            with pytest.raises(DeadlineExceeded):
                await house.submit(1, seconds=-1)

    run(test)


def test_a_cancelled_request_leaves_the_engine_s_queue(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            batcher = house.batcher
            running = await house.fill_lanes()
            waiting = [house.submit(n) for n in range(3)]
            await until(lambda: batcher.waiting_rows == 3)
            waiting[1].cancel()
            await until(lambda: batcher.waiting_rows == 2)
            house.model.free.set()
            await asyncio.gather(*running, waiting[0], waiting[2])

    run(test)


def test_a_client_that_leaves_takes_its_rows_along(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            batcher = house.batcher
            running = await house.fill_lanes()
            waiting = house.submit(1, 2, 3)
            await until(lambda: batcher.waiting_rows == 3)
            await house.client.stop()
            await until(lambda: batcher.waiting_rows == 0)
            for future in (*running, waiting):
                with pytest.raises(EngineGone):
                    await future
            house.model.free.set()

    run(test)


def test_an_engine_that_goes_fails_its_callers_and_a_new_one_is_found(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            house.model.free.clear()
            under_way = house.submit(1)
            await until(house.model.began.is_set)
            house.client._connection.close()  # type: ignore[union-attr]
            with pytest.raises(EngineGone):
                await under_way
            assert house.client.catalog.problems()
            with pytest.raises(EngineGone):
                await house.submit(1)
            house.model.free.set()
            await until(lambda: house.client.catalog.settled)
            assert int((await house.submit(4)).outputs[0][0]) == 8

    run(test)


def test_a_client_that_never_reads_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_UNSENT_BYTES", 100_000)
    monkeypatch.setattr(server, "UNREAD_S", 0.1)

    async def test() -> None:
        async with house_of(tmp_path) as house:
            with socket.socket(socket.AF_UNIX) as silent:
                silent.connect(unix_address(house.name))
                await until(lambda: len(house.engine.on_change) == 2)
                for _ in range(2_000):
                    house.engine._statuses.publish()
                    await asyncio.sleep(0)
                await until(lambda: len(house.engine.on_change) == 1)
            assert int((await house.submit(4)).outputs[0][0]) == 8

    run(test)


def test_what_an_engine_does_not_read_waits_within_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MOST_UNSENT_BYTES", 100_000)
    monkeypatch.setattr(engine_client, "INTRODUCTION_S", 0.01)
    rows = (np.zeros((1, 200_000), np.uint8),)

    async def test() -> None:
        listener, name = listen_privately()
        client = EngineClient(name, silence_s=0.2, max_backlog_bytes=1_000_000)

        def submit() -> asyncio.Future[Answer]:
            deadline = time.monotonic() + 0.3
            return client.submit("times", None, "serving_default", rows, deadline)

        await client.start()
        await until(lambda: client.connected)
        assert client._connection
        outcomes = await asyncio.gather(
            *(submit() for _ in range(40)), return_exceptions=True
        )
        kinds = {type(each) for each in outcomes}
        assert kinds == {QueueFull, DeadlineExceeded}
        assert sum(isinstance(each, DeadlineExceeded) for each in outcomes) < 12
        assert client._connection.unsent_bytes == 0
        assert not client._connection.pending
        assert "the engine does not respond" in client.catalog.problems()

        with listener, listener.accept()[0] as engine:
            engine.setblocking(False)
            reading = asyncio.create_task(read_all(engine))
            await until(lambda: not client._connection.congested)  # type: ignore[union-attr]
            with pytest.raises(DeadlineExceeded):
                await submit()
            reading.cancel()
            await client.stop()

    run(test)


async def read_all(engine: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(engine, 65536):
        pass


def test_a_deadline_holds_while_the_engine_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_client, "INTRODUCTION_S", 0.01)

    async def test() -> None:
        listener, name = listen_privately()
        with listener:
            client = EngineClient(name)
            await client.start()
            await until(lambda: client.connected)
            deadline = time.monotonic() + 0.2
            rows = (np.zeros(1, np.int64),)
            with pytest.raises(DeadlineExceeded):
                await client.submit("times", None, "serving_default", rows, deadline)
            assert time.monotonic() >= deadline
            await client.stop()

    run(test)


def test_signs_of_life_turn_readiness_green_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEARTBEAT_S", 1.0)

    async def test() -> None:
        async with house_of(tmp_path, silence_s=0.3) as house:
            await until(lambda: not house.client.catalog.responding)
            connection = house.client._connection
            assert connection is not None
            assert time.monotonic() - connection.heard < 0.9
            await until(lambda: house.client.catalog.responding)
            assert not house.client.catalog.problems()

    run(test)


def test_a_command_is_carried_out_and_its_outcome_comes_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            far = time.monotonic() + 30
            move = Command(action="label", model="times", label="stable", version=1)
            outcome = await house.client.command(move, far)
            assert (outcome.labels, outcome.default_version) == ({"stable": 1}, 1)
            assert house.client.catalog.find("times", None, "stable").version == 1
            with pytest.raises(VersionNotFound, match="no version 9"):
                wrong = move.model_copy(update={"version": 9})
                await house.client.command(wrong, far)
            with pytest.raises(DeadlineExceeded):
                await house.client.command(move, time.monotonic() - 1)
            assert await house.submit(3)

    run(test)


def test_a_command_to_an_engine_that_goes_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with house_of(tmp_path) as house:
            write_version(tmp_path / "artifacts", "slow", 1)
            hold = house.loader.held["slow"] = threading.Event()
            load = Command(action="load", model="slow")
            command = house.client.command(load, time.monotonic() + 30)
            task = asyncio.create_task(command)
            await until(lambda: "slow" in house.client.catalog.models)
            assert house.client._connection is not None
            house.client._connection.abort()
            with pytest.raises(EngineGone):
                await task
            hold.set()
            await until(lambda: house.client.connected)

    run(test)


def test_a_command_without_an_engine_is_told_at_once() -> None:
    async def test() -> None:
        client = EngineClient("@nowhere")
        with pytest.raises(EngineGone):
            await client.command(Command(action="reload"), time.monotonic() + 30)

    run(test)

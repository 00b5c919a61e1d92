"""Models in a process of their own beside models in the engine's, under its rule."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.contract.contract import Contract
from service.contract.policy import ModelPolicy
from service.engine.batching.tensors import Tensors
from service.engine.catalog import VersionState
from service.engine.compute.runtime import Loaded
from service.engine.compute.tensorflow_host import TensorFlowHost
from service.engine.ended import ProcessEnd
from service.engine.engine import Engine
from service.errors import DeadlineExceeded, ModelFailed, ModelNotReady
from service.metrics import Metrics
from service.settings import Settings
from tests.e2e.server import alive, suspend
from tests.engine.deadly.sitecustomize import KILL_VALUE
from tests.engine.test_engine import engine_of
from tests.versions import (
    Multiplier,
    MultiplierLoader,
    until,
    write_deadly,
    write_version,
)

DEADLY = Path(__file__).parent / "deadly"
STEADY = "steady"  # the model in the engine's process


class MixedLoader:
    """Loads one model into this process, and all others into another one."""

    def __init__(self, settings: Settings, engine: list[Engine]):
        loop = asyncio.get_running_loop()

        def tell(end: ProcessEnd) -> None:
            loop.call_soon_threadsafe(engine[0].process_ended, end)

        self.host, self._here = TensorFlowHost(settings, tell), MultiplierLoader()

    def load(self, folder: Path, contract: Contract, policy: ModelPolicy) -> Loaded:
        if contract.name == STEADY:
            return self._here.load(folder, contract, policy)
        model = self.host.load(folder, contract, "float32")
        return Loaded(model, warm_s=model.warm())

    def is_quick(self, folder: Path, contract: Contract, policy: ModelPolicy) -> bool:
        return contract.name == STEADY

    def expect_others(self) -> None:
        self.host.start()

    def release(self) -> None:
        self.host.release()

    def recheck(self, unchanged: object) -> list[tuple[str, int]]:
        return []


@asynccontextmanager
async def mixed(artifacts: Path) -> AsyncIterator[tuple[Engine, TensorFlowHost]]:
    """An engine with both kinds of models, and where the other ones live."""
    settings = Settings(
        artifacts=artifacts, poll_seconds=3600, process_silence_s=5, retire_delay_s=0
    )
    engines: list[Engine] = []
    loader = MixedLoader(settings, engines)
    engine = Engine(settings, Metrics(CollectorRegistry()), lambda: loader)
    engines.append(engine)
    await engine.start()
    try:
        yield engine, loader.host
    finally:
        await engine.stop()
        loader.host.close()


async def multiply(
    engine: Engine, name: str, value: int, timeout_s: float = 30.0
) -> int:
    deadline = time.monotonic() + timeout_s
    rows = (np.array([value]),)
    answer = await engine.submit(name, None, "serving_default", rows, deadline)
    return int(answer.outputs[0][0])


async def keep_asking(engine: Engine, stop: asyncio.Event) -> int:
    """Ask the model in this process all the time; how often it answered."""
    asked = 0
    while not stop.is_set():
        assert await multiply(engine, STEADY, asked, timeout_s=5) == 2 * asked
        asked += 1
        await asyncio.sleep(0.002)
    return asked


def state(engine: Engine, name: str) -> tuple[VersionState, str]:
    (version,) = engine.catalog.model(name).versions
    return version.state, version.reason or ""


def count_descriptors(host: TensorFlowHost) -> int:
    return sum(1 for _ in Path(f"/proc/{host.pid}/fd").iterdir())


def is_ready(engine: Engine, *names: str) -> bool:
    return all(state(engine, name)[0] is VersionState.READY for name in names)


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{DEADLY}:{Path.cwd()}")
    write_version(tmp_path, STEADY, 1, factor=2)
    write_version(tmp_path, "times", 1, factor=3)
    return tmp_path


def test_a_death_while_computing_is_nothing_to_those_in_this_process(
    artifacts: Path,
) -> None:
    write_deadly(artifacts, "doomed", 1, "computing", "segfault")

    async def test() -> None:
        async with mixed(artifacts) as (engine, host):
            stop = asyncio.Event()
            steady = asyncio.create_task(keep_asking(engine, stop))
            for _ in range(2):
                await until(lambda: is_ready(engine, "times", "doomed"))
                assert await multiply(engine, "times", 7) == 21
                pid = host.pid
                with pytest.raises(ModelFailed, match="process"):
                    await multiply(engine, "doomed", KILL_VALUE)
                assert not is_ready(engine, "doomed")
                assert not is_ready(engine, "times")
                with pytest.raises(ModelNotReady, match=r"its process died|loading"):
                    await multiply(engine, "times", 7)
                await until(lambda: host.pid is not None)
                assert host.pid != pid
            await until(lambda: is_ready(engine, "times"))
            await until(lambda: "quarantine" in state(engine, "doomed")[1])
            assert "tensorflow-0 died 2 times" in state(engine, "doomed")[1]
            assert "was computing, at last by SIGSEGV" in state(engine, "doomed")[1]
            assert "my last words" in state(engine, "doomed")[1]
            assert await multiply(engine, "times", 7) == 21
            stop.set()
            assert await steady > 20

    asyncio.run(test())


@pytest.mark.parametrize("when", ["loading", "warming"])
def test_a_death_while_loading_is_nothing_to_those_in_this_process(
    artifacts: Path, when: str
) -> None:
    async def test() -> None:
        async with mixed(artifacts) as (engine, _):
            stop = asyncio.Event()
            steady = asyncio.create_task(keep_asking(engine, stop))
            write_deadly(artifacts, "doomed", 1, when, "abort")
            await engine.reconcile()  # where its files are new
            await engine.reconcile()
            await until(lambda: is_ready(engine, "times"))
            await until(lambda: "quarantine" in state(engine, "doomed")[1])
            assert "was loading, at last by SIGABRT" in state(engine, "doomed")[1]
            assert await multiply(engine, "times", 7) == 21
            stop.set()
            assert await steady > 20

    asyncio.run(test())


def test_a_death_with_nobody_at_work_is_nobodys_fault(artifacts: Path) -> None:
    async def test() -> None:
        async with mixed(artifacts) as (engine, host):
            for _ in range(3):
                pid = host.pid
                assert pid
                os.kill(pid, signal.SIGKILL)
                await until(lambda: not is_ready(engine, "times"))
                await until(lambda: is_ready(engine, "times"))
                assert not alive(pid)
                assert await multiply(engine, "times", 7) == 21
            assert engine._journal.weight(("times", 1), "") == 0
            assert not engine._journal._deaths

    asyncio.run(test())


def test_while_the_other_process_stands_still_deadlines_hold_and_others_serve(
    artifacts: Path,
) -> None:
    async def test() -> None:
        async with mixed(artifacts) as (engine, host):
            pid = host.pid
            assert pid
            stop = asyncio.Event()
            steady = asyncio.create_task(keep_asking(engine, stop))
            suspend(pid)
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                await multiply(engine, "times", 7, timeout_s=0.3)
            assert time.monotonic() - began < 3  # far from the silence that kills
            await until(lambda: host.pid not in (pid, None))
            await until(lambda: is_ready(engine, "times"))
            assert await multiply(engine, "times", 7) == 21
            stop.set()
            assert await steady > 100

    asyncio.run(test())


def test_a_version_that_is_retired_goes_from_there_too(artifacts: Path) -> None:
    async def test() -> None:
        async with mixed(artifacts) as (engine, host):
            process: Any = host._process
            before = count_descriptors(host)
            assert await multiply(engine, "times", 7) == 21
            for version in range(2, 5):
                write_version(artifacts, "times", version, factor=3)
                await engine.reconcile()
                await engine.reconcile()
            await until(lambda: len(engine.catalog.model("times").versions) == 2)
            assert await multiply(engine, "times", 7) == 21
            await until(lambda: count_descriptors(host) <= before + 2)  # one more kept
            assert host._process is process

    asyncio.run(test())


class Elsewhere(Multiplier):
    """Claims to live in another process; knows the threads that asked it."""

    in_process = False

    def __init__(self, factor: int, contract: Contract):
        super().__init__(factor, contract)
        self.threads: set[int] = set()

    def run(self, signature: str, rows: Tensors) -> Tensors:
        self.threads.add(threading.get_ident())
        return super().run(signature, rows)


def test_the_event_loop_never_waits_for_another_process_however_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(tmp_path, "times", 1)
    monkeypatch.setattr("tests.versions.Multiplier", Elsewhere)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            for number in range(50):
                assert await multiply(engine, "times", number) == 2 * number
            model = loader.loaded["times", 1]
            assert isinstance(model, Elsewhere)
            assert threading.get_ident() not in model.threads

    asyncio.run(test())

"""Versions come, go and fail without a request noticing."""

import asyncio
import shutil
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import Tensors
from service.engine.catalog import VersionState
from service.engine.engine import Engine
from service.errors import (
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    TooManyRows,
    VersionNotFound,
)
from service.metrics import Metrics
from service.settings import Settings
from tests.versions import Multiplier, MultiplierLoader, until, write_version


@asynccontextmanager
async def engine_of(
    artifacts: Path, **settings: Any
) -> AsyncIterator[tuple[Engine, MultiplierLoader]]:
    loader = MultiplierLoader()
    values = {
        "versions_kept": 1,
        "poll_seconds": 3600.0,
        "retire_delay_s": 0.0,
        **settings,
    }
    engine = Engine(
        Settings(artifacts=artifacts, **values),
        Metrics(CollectorRegistry()),
        lambda: loader,
    )
    await engine.start()
    try:
        yield engine, loader
    finally:
        await engine.stop()


async def multiply(engine: Engine, value: int, version: int | None = None) -> int:
    rows = (np.array([value]),)
    deadline = time.monotonic() + 30
    answer = await engine.submit("times", version, "serving_default", rows, deadline)
    return int(answer.outputs[0][0])


async def occupy(
    engine: Engine, version: Multiplier, *values: int
) -> list[asyncio.Task[int]]:
    """Have a version multiply, which it is at until its `free` is set again."""
    version.free.clear()
    tasks = [asyncio.create_task(multiply(engine, value)) for value in values]
    await asyncio.to_thread(version.began.wait)
    return tasks


async def look_twice(engine: Engine) -> None:
    """What is new is taken up when its files were the same at two looks."""
    await engine.reconcile()
    await engine.reconcile()


def states(engine: Engine) -> dict[int, VersionState]:
    versions = engine.catalog.model("times").versions
    return {each.version: each.state for each in versions}


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_the_newest_version_answers_unless_another_is_named(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1, factor=2)
    write_version(tmp_path, "times", 2, factor=3)

    async def test() -> None:
        async with engine_of(tmp_path, versions_kept=2) as (engine, _):
            assert await multiply(engine, 7) == 21
            assert await multiply(engine, 7, version=1) == 14

    run(test)


def test_who_asks_again_at_once_does_not_hold_up_the_others(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            for _ in range(20):
                await multiply(engine, 1)  # known to be quick: computed in the loop
            again = AsksAgain(engine)
            again.ask()
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert not again.ended  # a timer rang while it went on asking
            again.ended = True

    run(test)


class AsksAgain:
    """Queues the next row as soon as it has the answer to the last, as texts do."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.ended = engine, False
        self._until = time.monotonic() + 10

    def ask(self) -> None:
        rows = (np.array([1], np.int64),)
        request = QueuedRequest(rows, self._until, self)
        self._engine.queue("times", None, "serving_default", [request])

    def answer(self, *_: object) -> None:
        self.ended |= time.monotonic() > self._until
        if not self.ended:
            self.ask()

    def fail(self, *_: object) -> None:
        self.ended = True


def test_only_as_many_versions_as_asked_for_are_held(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        write_version(tmp_path, "times", version)

    async def test() -> None:
        async with engine_of(tmp_path, versions_kept=2) as (engine, _):
            assert states(engine) == {2: VersionState.READY, 3: VersionState.READY}
            with pytest.raises(VersionNotFound, match="no version 1"):
                await multiply(engine, 7, version=1)

    run(test)


def test_a_new_version_takes_over_and_the_old_one_finishes_its_work(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            old = loader.loaded["times", 1]
            (under_way,) = await occupy(engine, old, 7)
            write_version(tmp_path, "times", 2, factor=3)
            await look_twice(engine)
            assert await multiply(engine, 7) == 21
            assert states(engine) == {1: VersionState.DRAINING, 2: VersionState.READY}
            old.free.set()
            assert await under_way == 14
            await until(lambda: states(engine) == {2: VersionState.READY})

    run(test)


def test_nothing_holds_a_version_that_is_retired(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            assert await multiply(engine, 7) == 14
            model = weakref.ref(loader.loaded.pop(("times", 1)))
            write_version(tmp_path, "times", 2, factor=3)
            await look_twice(engine)
            await until(lambda: states(engine) == {2: VersionState.READY})
            await until(lambda: model() is None)

    run(test)


def test_a_version_that_fails_to_load_leaves_the_old_one_serving(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            broken = write_version(tmp_path, "times", 2, broken=True)
            await look_twice(engine)
            assert states(engine) == {1: VersionState.READY, 2: VersionState.FAILED}
            assert await multiply(engine, 7) == 14
            assert engine.catalog.problems() == []
            with pytest.raises(ModelNotReady):
                await multiply(engine, 7, version=2)
            shutil.rmtree(broken)
            write_version(tmp_path, "times", 2, factor=3)
            await look_twice(engine)
            assert await multiply(engine, 7) == 21

    run(test)


def test_a_changed_file_is_refused_and_named(tmp_path: Path) -> None:
    folder = write_version(tmp_path, "times", 1)
    (folder / "factor").write_text("3")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            (problem,) = engine.catalog.problems()
            assert "factor: expected SHA-256" in problem
            with pytest.raises(ModelNotReady):
                await multiply(engine, 7)

    run(test)


def test_a_disk_that_vanishes_takes_no_version_away(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            shutil.rmtree(tmp_path / "times")
            await look_twice(engine)
            assert await multiply(engine, 7) == 14

    run(test)


def test_a_folder_without_a_manifest_is_not_looked_at(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)
    (tmp_path / "times" / "2").mkdir()
    write_version(tmp_path, "times", 3).rename(tmp_path / "times" / ".3-being-written")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert states(engine) == {1: VersionState.READY}

    run(test)


def test_the_folder_is_watched(tmp_path: Path) -> None:
    async def test() -> None:
        async with engine_of(tmp_path, poll_seconds=0.01) as (engine, _):
            with pytest.raises(ModelNotFound):
                await multiply(engine, 7)
            write_version(tmp_path, "times", 1)
            await until(lambda: "times" in engine.catalog.models)
            await until(lambda: states(engine) == {1: VersionState.READY})
            assert await multiply(engine, 7) == 14

    run(test)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param((), "expected 1 inputs, received 0", id="no input"),
        pytest.param((np.zeros(3),), r"received float64 \[3\]", id="dtype"),
        pytest.param((np.zeros((3, 1), int),), r"int64 \[3, 1\]", id="shape"),
        pytest.param((np.zeros(0, int),), "at least one row", id="no row"),
    ],
)
def test_rows_of_a_wrong_form_never_reach_a_batch(
    tmp_path: Path, rows: tuple[np.ndarray, ...], message: str
) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            with pytest.raises(InvalidInput, match=message):
                engine.submit("times", None, "serving_default", rows, 1e9)
            with pytest.raises(InvalidInput, match="no signature 'encode'"):
                engine.submit("times", None, "encode", rows, 1e9)

    run(test)


def test_more_rows_than_a_request_may_have_are_refused(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path, max_request_rows=4) as (engine, _):
            rows = (np.arange(5),)
            with pytest.raises(TooManyRows, match="at most 4 rows, received 5"):
                engine.submit("times", None, "serving_default", rows, 1e9)

    run(test)


def test_two_models_do_not_wait_for_each_other(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)
    write_version(tmp_path, "heavy", 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            heavy = loader.loaded["heavy", 1]
            heavy.free.clear()
            rows = (np.array([1]),)
            slow = engine.submit("heavy", None, "serving_default", rows, 1e9)
            await asyncio.to_thread(heavy.began.wait)
            assert await multiply(engine, 7) == 14
            assert not slow.done()
            heavy.free.set()
            await slow

    run(test)


def test_a_model_that_comes_later_does_not_turn_readiness_red(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            seen: list[list[str]] = []
            engine.on_change.append(lambda catalog: seen.append(catalog.problems()))
            write_version(tmp_path, "later", 1)
            await look_twice(engine)
            assert engine.catalog.model("later").default is not None
            assert seen
            assert not any(seen)

    run(test)


def test_an_operator_may_want_smaller_batches(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1)

    async def test() -> None:
        async with engine_of(tmp_path, max_batch_rows=3) as (engine, loader):
            sizes: list[int] = []
            model = loader.loaded["times", 1]
            run_batch = model.run

            def note(signature: str, rows: Tensors) -> Tensors:
                sizes.append(len(rows[0]))
                return run_batch(signature, rows)

            model.run = note  # type: ignore[method-assign]
            rows = (np.arange(7),)
            answer = await engine.submit("times", None, "serving_default", rows, 1e9)
            assert answer.outputs[0].tolist() == [0, 2, 4, 6, 8, 10, 12]
            assert sorted(sizes) == [1, 2, 2, 2]  # two threads, in any order

    run(test)

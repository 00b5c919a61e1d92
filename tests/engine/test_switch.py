"""A switch of versions fails no request that was, or could be, computed."""

import asyncio
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from service.engine.catalog import VersionState
from service.engine.engine import Engine
from service.errors import ModelFailed, ServeryError
from tests.engine.test_engine import (
    engine_of,
    look_twice,
    multiply,
    occupy,
    run,
    states,
)
from tests.versions import until, write_version

SWITCHES = 50


async def keep_asking(engine: Engine, stop: asyncio.Event) -> tuple[int, set[int]]:
    """Unversioned requests, one after the other: how many, and who answered.

    After each it waits a moment: callers that never do leave the interpreter to the
    threads that read the disk five milliseconds late each time, and a switch then
    takes seconds.
    """
    asked, versions = 0, set()
    while not stop.is_set():
        rows = (np.array([7]),)
        answer = await engine.submit(
            "times", None, "serving_default", rows, time.monotonic() + 30
        )
        assert int(answer.outputs[0][0]) == 7 * answer.version  # its own factor
        asked += 1
        versions.add(answer.version)
        await asyncio.sleep(0.001)
    return asked, versions


@pytest.mark.slow
def test_fifty_switches_under_load_fail_nothing(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1, factor=1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            stop = asyncio.Event()
            callers = [asyncio.create_task(keep_asking(engine, stop)) for _ in range(8)]
            for version in range(2, SWITCHES + 2):
                write_version(tmp_path, "times", version, factor=version)
                await look_twice(engine)
                shutil.rmtree(tmp_path / "times" / str(version - 1))
            stop.set()
            outcomes = await asyncio.gather(*callers)
            assert sum(asked for asked, _ in outcomes) > SWITCHES
            answered = set.union(*(versions for _, versions in outcomes))
            assert len(answered) > SWITCHES / 2
            newest = {SWITCHES + 1: VersionState.READY}
            await until(lambda: states(engine) == newest)

    run(test)


def test_what_waits_in_a_version_that_is_retired_is_finished(tmp_path: Path) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path, drain_timeout_s=0) as (engine, loader):
            old = loader.loaded["times", 1]
            waiting = await occupy(engine, old, *range(24))
            write_version(tmp_path, "times", 2, factor=3)
            await look_twice(engine)
            assert await multiply(engine, 7) == 21
            old.free.set()
            assert await asyncio.gather(*waiting) == [2 * n for n in range(24)]

    run(test)


def test_who_had_chosen_a_version_before_it_was_retired_is_answered(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path, retire_delay_s=3600) as (engine, _):
            chosen = engine.catalog.find("times", None).version
            write_version(tmp_path, "times", 2, factor=3)
            await look_twice(engine)
            assert states(engine)[1] is VersionState.DRAINING
            assert await multiply(engine, 7, version=chosen) == 14
            assert await multiply(engine, 7) == 21

    run(test)


def test_a_version_whose_batcher_died_is_loaded_again_but_not_for_ever(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, "times", 1, factor=2)

    async def kill_batcher(engine: Engine) -> None:
        loaded = engine._registry.get(("times", 1))
        assert loaded is not None
        (batcher,) = loaded.batchers.values()
        batcher._observer.ran = None  # type: ignore[method-assign, assignment]
        with pytest.raises(ModelFailed, match="died"):
            await multiply(engine, 7)

    async def test() -> None:
        async with engine_of(tmp_path, max_crashes=2) as (engine, _):
            await kill_batcher(engine)
            with pytest.raises(ServeryError, match="its batcher died"):
                await multiply(engine, 7)
            await engine.reconcile()
            assert await multiply(engine, 7) == 14
            await kill_batcher(engine)
            await engine.reconcile()
            (status,) = engine.catalog.model("times").versions
            assert "in quarantine" in (status.reason or "")

    run(test)

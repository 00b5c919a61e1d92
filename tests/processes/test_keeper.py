"""A process that is kept running, whatever becomes of it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from service.processes import keeper
from service.processes.handover import Handover
from service.processes.keeper import Keeper
from service.settings import Settings
from tests.versions import until


def told(folder: Path, life: int) -> Handover:
    """What the process of this life was told, which says so in a file."""
    return Handover.model_validate_json((folder / str(life)).read_text())


def keep(folder: Path, ends: list[int]) -> Keeper:
    handover = Handover(
        name="engine",
        settings=Settings(),
        lifeline=0,
        heartbeat=-1,
        listener=0,
        blocks={},
        engine=str(folder),
    )
    return Keeper("tests.processes.child", handover, [], lambda: ends.append(1))


def test_a_successor_is_told_how_its_predecessor_ended(tmp_path: Path) -> None:
    async def test() -> None:
        ends: list[int] = []
        kept = keep(tmp_path, ends)
        running = asyncio.create_task(kept.run())
        await until(lambda: (tmp_path / "1").exists())
        kept.stop()
        await running
        assert told(tmp_path, 0).predecessor_ended is None
        assert told(tmp_path, 1).predecessor_ended == 3
        assert told(tmp_path, 1).last_words == ("first words", "of the end")
        assert len(ends) == 2

    asyncio.run(test())


def test_one_whose_heart_has_stopped_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "CHECK_S", 0.1)

    async def test() -> None:
        kept = keep(tmp_path, [])
        kept._silence_s = 0.5
        running = asyncio.create_task(kept.run())
        await until(lambda: (tmp_path / "2").exists())
        kept.kill()
        await running
        assert told(tmp_path, 2).predecessor_ended == -signal.SIGKILL

    asyncio.run(test())


def test_what_cannot_be_started_is_tried_again_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0").touch()

    async def test() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/no/such/program")
            kept = keep(tmp_path, [])
            before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
            running = asyncio.create_task(kept.run())
            await asyncio.sleep(0.5)
            assert not running.done()
            assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
        await until(lambda: (tmp_path / "1").exists())
        kept.kill()
        await running

    asyncio.run(test())


def test_a_wrapper_that_is_no_command_is_refused() -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        Settings(engine_wrapper="sandbox.py 'half")


def test_only_the_engine_is_wrapped(tmp_path: Path) -> None:
    settings = Settings(engine_wrapper="env -u 'A B'")
    handover = keep(tmp_path, [])._handover.model_copy(update={"settings": settings})
    web = handover.model_copy(update={"name": "http-0"})
    assert keeper._wrapper(handover) == ["env", "-u", "A B"]
    assert keeper._wrapper(web) == []

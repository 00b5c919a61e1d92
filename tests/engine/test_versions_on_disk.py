"""However versions come to lie on disk, the newest that can be loaded serves."""

import asyncio
import logging
import shutil
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.contract.manifest import FILENAME
from service.engine.catalog import VersionState
from service.engine.engine import Engine
from service.metrics import Metrics
from service.settings import Settings
from tests.engine.test_engine import engine_of, look_twice, multiply, run, states
from tests.versions import MultiplierLoader, until, write_version

READY, FAILED = VersionState.READY, VersionState.FAILED


def write_draft(tmp_path: Path, version: int, factor: int = 2) -> Path:
    """A version that lies outside of the artifacts folder."""
    return write_version(tmp_path / "drafts", "times", version, factor=factor)


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    write_version(tmp_path / "artifacts", "times", 1, factor=2)
    return tmp_path / "artifacts"


def test_after_a_start_the_good_one_below_two_broken_ones_serves(
    artifacts: Path,
) -> None:
    for version in (2, 3):
        write_version(artifacts, "times", version, broken=True)

    async def test() -> None:
        async with engine_of(artifacts, versions_kept=2) as (engine, _):
            assert states(engine) == {1: READY, 2: FAILED, 3: FAILED}
            assert await multiply(engine, 7) == 14
            assert engine.catalog.problems() == []

    run(test)


def test_deleting_the_newest_loads_nothing_and_retires_nothing(
    artifacts: Path,
) -> None:
    newest = [write_version(artifacts, "times", version) for version in (2, 3)]

    async def test() -> None:
        async with engine_of(artifacts, versions_kept=2) as (engine, loader):
            shutil.rmtree(newest[-1])
            before = dict(loader.loaded)
            for _ in range(5):
                await look_twice(engine)
                assert states(engine) == {2: READY, 3: READY}
            assert loader.loaded == before

    run(test)


def test_a_failed_version_that_is_deleted_is_forgotten(artifacts: Path) -> None:
    broken = write_version(artifacts, "times", 2, broken=True)

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            assert states(engine) == {1: READY, 2: FAILED}
            shutil.rmtree(broken)
            await engine.reconcile()
            assert states(engine) == {1: READY}

    run(test)


def test_a_version_is_tried_again_whichever_file_comes_last(
    artifacts: Path, tmp_path: Path
) -> None:
    draft = write_draft(tmp_path, 2, factor=3)
    folder = artifacts / "times" / "2"
    folder.mkdir()
    shutil.copy(draft / FILENAME, folder)

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            assert states(engine) == {1: READY, 2: FAILED}
            await look_twice(engine)
            assert states(engine) == {1: READY, 2: FAILED}
            shutil.copy(draft / "factor", folder)
            await engine.reconcile()  # its files may still change
            assert states(engine) == {1: READY, 2: FAILED}
            await engine.reconcile()
            assert await multiply(engine, 7) == 21

    run(test)


def test_a_version_that_failed_with_these_files_is_not_tried_again(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_version(artifacts, "times", 2, broken=True)

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            for _ in range(5):
                await look_twice(engine)

    run(test)
    failures = [each for each in caplog.records if "cannot be loaded" in each.message]
    assert len(failures) == 1


@pytest.mark.parametrize("order", [(FILENAME, "factor"), ("factor", FILENAME)], ids=str)
def test_a_version_copied_in_slow_motion_never_fails(
    artifacts: Path, tmp_path: Path, order: tuple[str, ...]
) -> None:
    draft = write_draft(tmp_path, 2, factor=31)

    async def copy(engine: Engine) -> None:
        """What `cp -r` does, with a look between any two bytes of it."""
        (artifacts / "times" / "2").mkdir()
        for name in order:
            with (artifacts / "times" / "2" / name).open("wb") as file:
                for byte in (draft / name).read_bytes()[-100:-1:10]:
                    file.write(bytes([byte]))
                    file.flush()
                    await engine.reconcile()
                    assert FAILED not in states(engine).values()
                file.seek(0)
                file.truncate()
                file.write((draft / name).read_bytes())
            await engine.reconcile()
            assert FAILED not in states(engine).values()

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            await copy(engine)
            await engine.reconcile()
            assert await multiply(engine, 7) == 7 * 31

    run(test)


def test_a_version_that_rsync_brings_is_taken_up_when_it_is_whole(
    artifacts: Path, tmp_path: Path
) -> None:
    draft = write_draft(tmp_path, 2, factor=31)
    folder = artifacts / "times" / "2"

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            folder.mkdir()
            shutil.copy(draft / FILENAME, folder)
            part = folder / ".factor.Xa8rQ1"
            for text in ("", "3", "31"):  # under another name until it is whole
                part.write_text(text)
                await engine.reconcile()
                assert states(engine) == {1: READY}
            part.rename(folder / "factor")
            await look_twice(engine)
            assert await multiply(engine, 7) == 7 * 31

    run(test)


def test_a_version_that_is_moved_in_is_taken_up(
    artifacts: Path, tmp_path: Path
) -> None:
    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            write_draft(tmp_path, 2, factor=3).rename(artifacts / "times" / "2")
            await look_twice(engine)
            assert await multiply(engine, 7) == 21

    run(test)


def test_a_mounted_config_map_is_followed_when_it_changes(tmp_path: Path) -> None:
    """Kubernetes writes `..<time>` folders, and links files and folders through one."""
    mount = tmp_path / "artifacts" / "times"
    mount.mkdir(parents=True)

    def publish(stamp: str, version: int, factor: int) -> None:
        folder = write_version(tmp_path / stamp, "times", version, factor=factor)
        folder.parent.rename(mount / f"..{stamp}")
        link = mount / "..data_tmp"
        link.symlink_to(f"..{stamp}")
        link.rename(mount / "..data")
        inside = mount / str(version)
        if not inside.is_symlink():
            inside.symlink_to(f"..data/{version}")

    publish("2026_01", 1, factor=2)

    async def test() -> None:
        async with engine_of(tmp_path / "artifacts") as (engine, _):
            assert await multiply(engine, 7) == 14
            publish("2026_02", 2, factor=3)
            await look_twice(engine)
            assert await multiply(engine, 7) == 21

    run(test)


def test_files_of_strangers_within_a_version_do_no_harm(artifacts: Path) -> None:
    folder = artifacts / "times" / "1"
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").touch()
    (folder / "notes.txt").write_text("not in the manifest")
    (folder / "dangling").symlink_to("nowhere")

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            assert await multiply(engine, 7) == 14
            (folder / ".DS_Store").write_bytes(b"\0\0")
            await look_twice(engine)
            assert states(engine) == {1: READY}

    run(test)


def test_a_version_that_is_overwritten_serves_what_was_loaded_and_is_named_once(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            (artifacts / "times" / "1" / "factor").write_text("55")
            for _ in range(3):
                await look_twice(engine)
            assert await multiply(engine, 7) == 14

    run(test)
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert ["times 1: its files have changed" in each.message for each in warnings] == [
        True
    ]


def test_two_folders_of_one_version_are_said_once(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(artifacts / "times" / "1", artifacts / "times" / "0001")

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            await look_twice(engine)
            assert await multiply(engine, 7) == 14
            (note,) = engine.catalog.model("times").notes
            assert note == "0001 is ignored: it is version 1, as 1 is"

    run(test)
    messages = [each.message for each in caplog.records]
    assert messages.count("times: 0001 is ignored: it is version 1, as 1 is") == 1


def test_a_folder_that_cannot_be_read_is_named_and_harms_no_other(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (artifacts / "locked").symlink_to("locked")

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            assert await multiply(engine, 7) == 14
            (note,) = engine.catalog.model("locked").notes
            assert "cannot be read" in note
            assert engine.catalog.problems() == []

    run(test)
    assert any("locked: the folder cannot be read" in text for text in caplog.messages)


@pytest.mark.parametrize("kind", ["missing", "empty", "a file"])
def test_an_artifacts_folder_without_models_is_no_readiness(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    artifacts = tmp_path / "artifcats"
    if kind == "empty":
        artifacts.mkdir()
    if kind == "a file":
        artifacts.touch()

    async def test() -> None:
        async with engine_of(artifacts, poll_seconds=0.01) as (engine, _):
            (problem,) = engine.catalog.problems()
            assert problem.startswith("the artifacts folder")
            if kind == "a file":
                artifacts.unlink()
            write_version(artifacts, "times", 1)
            await until(lambda: engine.catalog.problems() == [])

    run(test)
    errors = [each.message for each in caplog.records if each.levelno == logging.ERROR]
    assert all(str(artifacts) in error for error in errors)
    assert 1 <= len(errors) <= 2  # it changes from a file to a folder without models


def test_a_disk_that_vanishes_is_said_once_and_takes_nothing_from_memory(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            shutil.move(artifacts, artifacts.with_name("unmounted"))
            for _ in range(3):
                await look_twice(engine)
            assert await multiply(engine, 7) == 14
            assert engine.catalog.problems() == []
            assert engine.catalog.problem is not None
            shutil.move(artifacts.with_name("unmounted"), artifacts)
            await look_twice(engine)
            assert engine.catalog.problem is None
            assert states(engine) == {1: READY}

    run(test)
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1


def test_one_broken_model_is_no_reason_to_take_the_others_away(
    artifacts: Path,
) -> None:
    write_version(artifacts, "plus", 1, broken=True)

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            assert engine.catalog.model("plus").default is None
            assert engine.catalog.problems() == []

    run(test)


def test_what_waits_for_another_process_is_loaded_last(artifacts: Path) -> None:
    for name in ("alpha", "zeta"):
        write_version(artifacts, name, 1)

    async def test() -> None:
        loader = MultiplierLoader()
        loader.slow = {"alpha"}
        engine = Engine(
            Settings(artifacts=artifacts), Metrics(CollectorRegistry()), lambda: loader
        )
        await engine.start()
        assert [name for name, _ in loader.loaded] == ["times", "zeta", "alpha"]
        assert (loader.expecting, loader.released) == (1, 1)
        await engine.stop()

    run(test)


def test_models_that_are_ready_answer_while_others_load(artifacts: Path) -> None:
    write_version(artifacts, "zeta", 1)

    async def test() -> None:
        loader = MultiplierLoader()
        loader.held["zeta"] = threading.Event()
        engine = Engine(
            Settings(artifacts=artifacts), Metrics(CollectorRegistry()), lambda: loader
        )
        start = asyncio.create_task(engine.start())
        await until(lambda: engine.catalog.models.get("times") is not None)
        await until(lambda: states(engine) == {1: READY})
        assert await multiply(engine, 7) == 14
        problems = engine.catalog.problems()
        assert problems == ["models are being loaded", "zeta: version 1 loading"]
        loader.held["zeta"].set()
        await start
        assert engine.catalog.problems() == []
        await engine.stop()

    run(test)

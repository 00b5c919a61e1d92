"""Decoders in processes of their own: lanes, deadlines, hang-ups, crashes, memory."""

import asyncio
import io
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic_core import from_json

from service.errors import (
    DeadlineExceeded,
    ImageTooLarge,
    InvalidImage,
    MalformedBody,
    QueueFull,
    ServeryError,
)
from service.models.digits.picture import pack_picture
from service.models.photo.middle import read_middle
from service.settings import Settings
from service.web.api.tensor_call import read_json
from service.web.imaging import pool as pool_module
from service.web.imaging.pool import DecoderPool
from tests.web.imaging.misreading import (
    read_by_dying,
    read_counted,
    read_greedily,
    read_slowly,
    read_wrongly,
)
from tests.web.imaging.mutations import try_all

Test = Callable[[DecoderPool], Coroutine[Any, Any, None]]


def encoded(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def shade(level: int) -> bytes:
    return encoded(Image.new("L", (100, 100), level))


SMALL = shade(7)
LARGE = encoded(Image.new("L", (8160, 6144), 200), compress_level=1)  # a telephone's


def soon(seconds: float = 60) -> float:
    return time.monotonic() + seconds


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Test], None]]:
    """Runs tests with one pool, which they leave as it was."""
    pool = DecoderPool(Settings())
    with asyncio.Runner() as runner:
        yield lambda test: runner.run(test(pool))
    pool.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders are soon killed whose callers have gone."""
    monkeypatch.setattr(pool_module, "PATIENCE_S", 0.05)


def with_pool(test: Test, **settings: Any) -> None:
    async def run() -> None:
        pool = DecoderPool(Settings(**settings))
        try:
            await test(pool)
        finally:
            pool.close()

    asyncio.run(run())


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    while not condition():  # noqa: ASYNC110  # it has no event for us
        await asyncio.sleep(0.01)


def test_rows_come_in_the_order_of_their_images(run: Callable[[Test], None]) -> None:
    async def test(pool: DecoderPool) -> None:
        levels = [*range(0, 250, 7)]
        images = [shade(level) for level in levels]
        images[3] = encoded(Image.new("L", (2000, 2000), levels[3]))
        rows = await pool.read(images, read_middle, soon())
        assert rows.shape == (len(levels), 224, 224, 3)
        assert rows[:, 0, 0, 0].tolist() == levels

    run(test)


def test_error_names_its_image(run: Callable[[Test], None]) -> None:
    async def test(pool: DecoderPool) -> None:
        with pytest.raises(InvalidImage, match=r"Image 2: .*text that begin") as caught:
            await pool.read([SMALL, SMALL, b"seven"], read_middle, soon())
        assert caught.value.details is not None
        assert caught.value.details[0]["field"] == "images.2"
        fields = ["from.image", "to.image"]
        with pytest.raises(InvalidImage, match=r"^to\.image: "):
            await pool.read([SMALL, b"7"], read_middle, soon(), fields)

    run(test)


def test_pixels_of_a_request_have_a_limit_together() -> None:
    async def test(pool: DecoderPool) -> None:
        assert len(await pool.read([SMALL] * 5, read_middle, soon())) == 5
        with pytest.raises(ImageTooLarge, match="too large together"):
            await pool.read([SMALL] * 6, read_middle, soon())

    with_pool(test, max_request_pixels=50_000)


def test_small_image_does_not_wait_for_large_ones() -> None:
    async def test(pool: DecoderPool) -> None:
        await pool.read([SMALL], read_middle, soon())
        large = [
            asyncio.ensure_future(pool.read([LARGE], read_middle, soon()))
            for _ in range(4)
        ]
        await until(lambda: pool.waiting > 0)
        await pool.read([SMALL], read_middle, soon())
        assert not all(each.done() for each in large)
        for each in large:
            each.cancel()
        await asyncio.gather(*large, return_exceptions=True)

    with_pool(test)


def test_smaller_of_two_large_images_is_first() -> None:
    async def test(pool: DecoderPool) -> None:
        done: list[str] = []

        async def read(name: str, data: bytes) -> None:
            await pool.read([data], read_middle, soon())
            done.append(name)

        middling = encoded(Image.new("L", (1500, 1500), 200))
        work = [asyncio.ensure_future(read(f"large {n}", LARGE)) for n in range(3)]
        await until(lambda: pool.waiting == 2)
        await asyncio.gather(*work, read("middling", middling))
        assert done.index("middling") <= 1

    with_pool(test)


def test_deadline_ends_the_wait_and_kills_what_does_not_end(
    impatient: None, tmp_path: Path
) -> None:
    async def test(pool: DecoderPool) -> None:
        await pool.read([SMALL], read_middle, soon())
        before = pool.pids
        file = str(tmp_path / "begun").encode()
        with pytest.raises(DeadlineExceeded, match="time was up"):
            await pool.read([SMALL + file], read_slowly, soon(0.3))
        assert len(await pool.read([SMALL], read_middle, soon())) == 1
        assert pool.pids != before

    with_pool(test)


def test_deadline_is_looked_at_between_images(
    tmp_path: Path, run: Callable[[Test], None]
) -> None:
    async def test(pool: DecoderPool) -> None:
        file = tmp_path / "read"
        image = SMALL + str(file).encode()
        await pool.read([image], read_counted, soon())
        with pytest.raises(DeadlineExceeded):
            await pool.read([image] * 200, read_counted, soon(0.5))
        assert 1 < file.stat().st_size < 200

    run(test)


def test_deadline_that_is_over_costs_no_decoder(run: Callable[[Test], None]) -> None:
    async def test(pool: DecoderPool) -> None:
        with pytest.raises(DeadlineExceeded):
            await pool.read([SMALL], read_middle, soon(-1))

    run(test)


def test_caller_who_hangs_up_takes_his_images_back(
    impatient: None, tmp_path: Path
) -> None:
    async def test(pool: DecoderPool) -> None:
        begun = tmp_path / "begun"
        data = SMALL + str(begun).encode()
        callers = [
            asyncio.ensure_future(pool.read([data], read_slowly, soon()))
            for _ in range(5)
        ]
        await until(begun.exists)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert len(await pool.read([SMALL], read_middle, soon())) == 1
        assert pool.waiting == 0

    with_pool(test)


def test_queue_has_an_end(tmp_path: Path) -> None:
    async def test(pool: DecoderPool) -> None:
        begun = tmp_path / "begun"
        data = SMALL + str(begun).encode()
        callers = [
            asyncio.ensure_future(pool.read([data], read_slowly, soon()))
            for _ in range(3)
        ]
        await until(begun.exists)
        with pytest.raises(QueueFull, match="expected at most 2"):
            await pool.read([SMALL], read_middle, soon())
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    with_pool(test, max_waiting_images=2)


def test_callers_take_turns() -> None:
    async def test(pool: DecoderPool) -> None:
        done: list[str] = []

        async def read(caller: str, data: bytes = LARGE) -> None:
            await pool.read([data], read_middle, soon(), caller=caller)
            done.append(caller)

        greedy = [asyncio.ensure_future(read("greedy")) for _ in range(4)]
        await until(lambda: pool.waiting == 3)
        modest = asyncio.ensure_future(read("modest"))
        await asyncio.gather(*greedy, modest)
        assert done.index("modest") in {1, 2}

    with_pool(test)


def test_one_caller_leaves_places_to_others() -> None:
    async def test(pool: DecoderPool) -> None:
        waiting = [
            asyncio.ensure_future(pool.read([LARGE], read_middle, soon(), (), "greedy"))
            for _ in range(10)
        ]
        await until(lambda: any(each.done() for each in waiting))
        refused = [each for each in waiting if each.done() and each.exception()]
        assert isinstance(refused[0].exception(), QueueFull)
        rows = await pool.read([SMALL], read_middle, soon(), (), "modest")
        assert len(rows) == 1
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    with_pool(test, max_waiting_images=5)


def test_crash_is_the_errors_of_one_image_and_a_new_process() -> None:
    async def test(pool: DecoderPool) -> None:
        with pytest.raises(InvalidImage, match="its decoder survives"):
            await pool.read([SMALL], read_by_dying, soon())
        assert len(await pool.read([SMALL], read_middle, soon())) == 1

    with_pool(test)


def test_killed_process_is_replaced() -> None:
    async def test(pool: DecoderPool) -> None:
        await pool.read([SMALL], read_middle, soon())
        os.kill(pool.pids[0], 9)
        with pytest.raises(InvalidImage):
            await pool.read([SMALL], read_middle, soon())
        assert len(await pool.read([SMALL], read_middle, soon())) == 1

    with_pool(test)


def test_memory_has_a_limit_that_is_told() -> None:
    async def test(pool: DecoderPool) -> None:
        with pytest.raises(ImageTooLarge, match="at most 268,435,456 bytes of memory"):
            await pool.read([SMALL], read_greedily, soon())
        assert len(await pool.read([SMALL], read_middle, soon())) == 1

    with_pool(test, max_decoder_bytes=256 * 1024 * 1024)


def test_memory_goes_back_after_a_large_image() -> None:
    async def test(pool: DecoderPool) -> None:
        colour = encoded(Image.new("RGB", (8160, 6144), 200), compress_level=1)
        await pool.read([colour], read_middle, soon())
        assert max(resident(pid) for pid in pool.pids) < 100 * 1024 * 1024

    with_pool(test)


def test_fault_of_ours_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture, run: Callable[[Test], None]
) -> None:
    async def test(pool: DecoderPool) -> None:
        with pytest.raises(ServeryError) as caught:
            await pool.read([SMALL], read_wrongly, soon())
        assert caught.value.code == "internal"
        assert "fault" not in caught.value.message

    run(test)
    assert "a fault of ours" in caplog.text


def test_processes_end_with_the_pool() -> None:
    async def test(pool: DecoderPool) -> None:
        pool.start()
        pids.extend(pool.pids)

    pids: list[int] = []
    with_pool(test)
    assert len(pids) >= 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_digit_is_read_as_without_a_process(run: Callable[[Test], None]) -> None:
    folder = Path(__file__).parents[2] / "data" / "images"
    names = ["photo-3-plain.jpg", "canvas-6-palette.png", "photo-8-page.webp"]
    files = [(folder / name).read_bytes() for name in names]

    async def test(pool: DecoderPool) -> None:
        rows = await pool.read(files, pack_picture, soon())
        for row, data in zip(rows, files, strict=True):
            assert np.array_equal(row, pack_picture(data, max_pixels=10**7))

    run(test)


def test_damaged_files_are_read_or_refused_and_say_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    outcomes = asyncio.run(try_all(300, seed=7))
    assert set(outcomes) <= {"read", "invalid_image", "image_too_large"}
    assert outcomes["read"] > 10
    assert outcomes["invalid_image"] > 10
    assert capfd.readouterr() == ("", "")


def test_other_work_is_done_by_the_process_too(run: Callable[[Test], None]) -> None:
    async def test(pool: DecoderPool) -> None:
        numbers = partial(from_json, b"[1, 2.5]")
        assert await pool.run(numbers, soon()) == [1, 2.5]
        with pytest.raises(MalformedBody):
            await pool.run(partial(read_json, b"["), soon())

    run(test)

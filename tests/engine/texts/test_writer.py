"""Texts of many callers, written together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from service.engine.texts.request import Written
from service.engine.texts.stream import TextStream
from service.engine.texts.writer import PACE_S
from service.errors import (
    DeadlineExceeded,
    ModelFailed,
    QueueFull,
    ShuttingDown,
)
from tests.engine.texts.crowd import Crowd, crowd_of, read_all
from tests.saved_models import SYMBOLS
from tests.tasks.writers import compose

Test = Callable[[Crowd], Coroutine[Any, Any, None]]


def run(test: Test, **settings: Any) -> None:
    async def inside() -> None:
        async with asyncio.timeout(30), crowd_of(**settings) as crowd:
            await test(crowd)

    asyncio.run(inside())


def note_messages(stream: TextStream) -> list[int]:
    """Symbols in each message that the stream is told from now on."""
    told, wrote = list[int](), stream.wrote

    def note(number: int, written: Sequence[Written]) -> None:
        told.append(len(written))
        wrote(number, written)

    stream.wrote = note  # type: ignore[method-assign]
    return told


def test_a_text_is_what_its_seed_prompt_and_mood_say() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(prompt="dear sir", control=0, seed=9)
        expected = compose(prompt="dear sir", mood="unkind", seed=9)
        assert await read_all(stream) == [(expected, "length")]
        assert stream.summary is not None
        assert (stream.summary.version, stream.summary.rows) == (3, 40)

    run(test)


def test_the_same_seed_gives_the_same_text_alone_and_in_a_crowd() -> None:
    async def test(crowd: Crowd) -> None:
        (alone,) = await read_all(crowd.write(seed=5, length=60))
        streams = [
            crowd.write(seed=seed, length=20 + 5 * seed, temperature=0.1 + 0.1 * seed)
            for seed in range(10)
        ]
        inside = crowd.write(seed=5, length=60)
        found = await asyncio.gather(*map(read_all, [*streams, inside]))
        assert found[-1] == [alone]
        assert max(crowd.batches) == 8
        assert [text for ((text, _),) in found[:-1]] == [
            compose(seed=seed, length=20 + 5 * seed, temperature=0.1 + 0.1 * seed)
            for seed in range(10)
        ]

    run(test)


def test_a_text_joins_the_batches_of_those_that_are_being_written() -> None:
    async def test(crowd: Crowd) -> None:
        first = crowd.write(length=50, streams=True)
        await first.more()
        second = crowd.write(length=5, seed=1)
        await asyncio.gather(read_all(first), read_all(second))
        assert set(crowd.batches) == {1, 2}

    run(test)


def test_of_fewer_texts_come_the_first_and_of_shorter_ones_the_beginnings() -> None:
    async def test(crowd: Crowd) -> None:
        many = await read_all(crowd.write(count=4, seed=2))
        few = await read_all(crowd.write(count=2, seed=2, length=7))
        assert [text for text, _ in many] == [
            compose(seed=2, index=n) for n in range(4)
        ]
        assert [text for text, _ in few] == [text[:7] for text, _ in many[:2]]

    run(test)


def test_a_stop_symbol_ends_a_text_and_is_not_told() -> None:
    async def test(crowd: Crowd) -> None:
        whole = compose(length=40, seed=4)
        stop = whole[20]
        assert crowd.writer._stop == SYMBOLS.index(stop)
        (found,) = await read_all(crowd.write(seed=4))
        assert found == (whole[: whole.index(stop)], "stop")

    run(test, task={"stop": compose(length=40, seed=4)[20]})


def test_each_text_is_counted_when_it_ends() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(seed=4, count=6, streams=True, length=60)
        reasons = [reason for _, reason in await read_all(stream)]
        assert crowd.counted("stop") == reasons.count("stop") > 0
        assert crowd.counted("length") == reasons.count("length")
        assert crowd.metrics.texts_under_way.labels("scribe")._value.get() == 0

    run(test, task={"stop": compose(length=40, seed=4)[20]})


def test_a_sequence_ends_a_text_and_is_told() -> None:
    async def test(crowd: Crowd) -> None:
        whole = compose(seed=6)
        stops = [tuple(map(SYMBOLS.index, each)) for each in ("qqqqq", whole[10:13])]
        (found,) = await read_all(crowd.write(seed=6, stops=stops))
        assert found == (whole[: whole.index(whole[10:13]) + 3], "sequence")

    run(test)


def test_who_reads_no_more_costs_no_more_than_the_step_under_way() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1000, streams=True, count=3)
        await stream.more()
        crowd.free.clear()
        await asyncio.sleep(0.02)  # a batch is under way, which cannot end
        begun = len(crowd.batches)
        stream.cancel()
        crowd.free.set()
        await asyncio.sleep(0.02)
        assert len(crowd.batches) == begun
        assert crowd.batchers["step"].waiting_rows == 0
        assert crowd.counted("cancelled") == 3

    run(test)


def test_a_deadline_ends_a_stream_with_what_is_written() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1_000_000, streams=True, seconds=0.2)
        ((text, reason),) = await read_all(stream)
        assert reason == "deadline"
        assert text == compose(length=len(text))
        assert crowd.counted("deadline") == 1

    run(test)


def test_a_deadline_in_a_step_that_hangs_ends_a_stream_too() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1000, streams=True, seconds=0.2)
        await stream.more()
        crowd.free.clear()
        ((_, reason),) = await read_all(stream)
        assert reason == "deadline"

    run(test)


def test_a_deadline_fails_what_is_not_streamed() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1_000_000, seconds=0.1, count=2)
        with pytest.raises(DeadlineExceeded, match="smaller length"):
            await read_all(stream)
        assert crowd.batchers["step"].waiting_rows == 0

    run(test)


def test_a_deadline_before_the_first_symbol_fails_a_stream() -> None:
    async def test(crowd: Crowd) -> None:
        crowd.free.clear()
        with pytest.raises(DeadlineExceeded):
            await read_all(crowd.write(streams=True, seconds=0.05))

    run(test)


def test_what_a_stream_was_not_told_yet_comes_before_the_error() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1000, streams=True)
        told = note_messages(stream)
        await stream.more()
        await asyncio.sleep(PACE_S / 3)
        crowd.failing = ValueError("no")
        with pytest.raises(ModelFailed):
            await read_all(stream)
        # One symbol of reading, and one of each step but the last, which failed.
        assert sum(told) == len(crowd.batches) > 2

    run(test)


def test_a_model_that_fails_fails_the_text_and_later_ones_are_written() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1000, streams=True)
        await stream.more()
        crowd.failing = ValueError("no")
        with pytest.raises(ModelFailed):
            await read_all(stream)
        crowd.failing = None
        assert await read_all(crowd.write(seed=1)) == [(compose(seed=1), "length")]
        assert crowd.counted("failed") == 1

    run(test)


def test_so_many_texts_are_written_at_once_and_of_one_caller_not_all() -> None:
    async def test(crowd: Crowd) -> None:
        running = [crowd.write(length=900, caller="a") for _ in range(4)]
        with pytest.raises(QueueFull, match="4 are; expected at most 5"):
            await read_all(crowd.write(caller="a"))
        fifth = crowd.write(length=900, caller="b")
        with pytest.raises(QueueFull):
            await read_all(crowd.write(caller="c"))
        running[0].cancel()
        assert len(await read_all(crowd.write(caller="c"))) == 1
        for stream in [*running, fifth]:
            stream.cancel()

    run(test, max_texts=5)


def test_a_writer_that_closes_finishes_what_is_begun_and_begins_nothing() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=30)
        closing = asyncio.create_task(crowd.writer.close(10))
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await read_all(crowd.write())
        assert await read_all(stream) == [(compose(length=30), "length")]
        await closing

    run(test)


def test_a_writer_that_must_close_fails_what_takes_longer() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=1_000_000)
        await crowd.writer.close(0.05)
        with pytest.raises(ShuttingDown):
            await read_all(stream)

    run(test)


def test_a_stream_is_told_its_first_symbol_at_once_and_then_several_together() -> None:
    async def test(crowd: Crowd) -> None:
        stream = crowd.write(length=500, streams=True)
        told = note_messages(stream)
        ((text, _),) = await read_all(stream)
        assert text == compose(length=500)
        assert told[0] == 1
        assert sum(told) == 501  # and the end
        assert len(told) < 250

    run(test)


def test_who_does_not_read_is_dropped_when_so_much_waits() -> None:
    async def test(crowd: Crowd) -> None:
        dropped = asyncio.Event()
        stream = crowd.write(length=1_000_000, streams=True)
        told = note_messages(stream)
        stream.limit(50, dropped.set)
        await dropped.wait()
        *before, last = told
        assert sum(before) <= 50 < sum(before) + last == len(stream.take())
        assert crowd.counted("cancelled") == 1

    run(test)

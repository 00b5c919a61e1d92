"""A run on this machine's engine: parts are read, scored and written, two at a time."""

import asyncio
from collections.abc import Callable, Sequence

import pyarrow as pa

from service.batch.columns import to_table
from service.batch.errors import BatchError
from service.batch.plan import Plan
from service.batch.scorer import Scorer, open_scorer
from service.batch.sources import Chunk, Part
from service.errors import ServeryError
from service.settings import Settings

PARTS = 2  # at once: one is computed while the other is read or written

Done = Callable[[int, int], object]


def run_local(
    plan: Plan, parts: Sequence[Part], settings: Settings, done: Done
) -> None:
    """Score these parts.

    Args:
        plan: What is to be done.
        parts: Those that are left.
        settings: See there.
        done: Told the rows of a part that is written, and how many are in error.

    Raises:
        BatchError: See `Scorer.score` and `Output.write`.
    """
    try:
        asyncio.run(_run(plan, parts, settings, done))
    except* BatchError as group:
        raise _first(group) from group


async def score_part(plan: Plan, scorer: Scorer, part: Part, chunk: Chunk) -> int:
    """Score the rows of a part and write them; how many are in error.

    Raises:
        BatchError: See `Scorer.score` and `Output.write`.
    """
    outcomes = await scorer.score(chunk.given)
    errors = sum(isinstance(each, ServeryError) for each in outcomes)

    def write() -> None:
        predicted = to_table(plan.predicted, outcomes)
        columns = [*chunk.columns.columns, *predicted.columns]
        table = pa.Table.from_arrays(columns, schema=plan.schema)
        plan.output.write(part, table, errors)

    await asyncio.to_thread(write)
    return errors


async def _run(
    plan: Plan, parts: Sequence[Part], settings: Settings, done: Done
) -> None:
    waiting: asyncio.Queue[tuple[Part, Chunk] | None] = asyncio.Queue(1)

    async def read() -> None:
        for part in parts:
            await waiting.put((part, await asyncio.to_thread(plan.source.read, part)))
        for _ in range(PARTS):
            await waiting.put(None)

    async def work(scorer: Scorer) -> None:
        while (item := await waiting.get()) is not None:
            part, chunk = item
            done(part.rows, await score_part(plan, scorer, part, chunk))

    async with (
        open_scorer(plan.asked, plan.takes, settings) as scorer,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(read())
        for _ in range(PARTS):
            tasks.create_task(work(scorer))


def _first(group: BaseExceptionGroup[BatchError]) -> BatchError:
    """The first error of a group, however deep."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found

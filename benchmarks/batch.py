"""`servery batch` beside the bare model: `python -m benchmarks.batch MODEL INPUT`.

Both compute the same rows on this machine, in turns; the bare one has them prepared, in
batches as large as the model takes, from as many threads as the engine uses. So the
share says what reading, checking, preparing, answering and writing cost: by the clock,
and by the time of processors, which other programs on the machine leave as it is.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import psutil
from starlette.requests import Request

from service.batch.local import score_part
from service.batch.plan import Plan, Wish, make_plan
from service.batch.scorer import Scorer, open_scorer
from service.batch.sources import Chunk, Part
from service.contract.contract import Contract
from service.contract.policy import ModelPolicy
from service.contract.task import SERVING
from service.contract.version import read_version
from service.engine.batching.tensors import Tensors
from service.engine.compute.choice import make_chooser
from service.engine.compute.runtime import Model
from service.engine.compute.tensorflow_host import TensorFlowHost
from service.engine.disk import find_folder
from service.engine.versions import CONCURRENT_BATCHES
from service.settings import Settings
from service.web.api.model_call import ModelCall
from service.web.http.record import RequestRecord

TURNS, PASSES = 5, 4  # processors' time of others is told in steps of 10 ms


@click.command()
@click.argument("model")
@click.argument("rows", type=click.Path(exists=True, path_type=Path))
def main(model: str, rows: Path) -> None:
    """Compare MODEL over one part of ROWS with MODEL alone."""
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        wish = Wish(model, rows, Path(folder) / "out")
        plan = make_plan(wish, settings)
        plan.output.prepare()
        asyncio.run(_measure(plan, settings))


async def _measure(plan: Plan, settings: Settings) -> None:
    asked, part = plan.asked, plan.source.parts[0]
    chunk = plan.source.read(part)
    folder = find_folder(asked.artifacts, asked.model, asked.version)
    contract = read_version(folder, asked.model, asked.version, verify=False).contract
    host = TensorFlowHost(settings)
    loaded = make_chooser(settings, host).load(folder, contract, ModelPolicy())
    async with open_scorer(asked, plan.takes, settings) as scorer:
        batches = await _prepare(scorer, chunk, contract)
        turns = []
        for _ in range(TURNS + 1):
            bare = await _measured(asyncio.to_thread(_run, loaded.model, batches))
            turns.append((bare, await _measured(_score(plan, scorer, part))))
    host.close()
    runtime = loaded.choice.name if loaded.choice else "?"
    click.echo(f"{asked.model} ({runtime}), {part.rows:,} rows, {TURNS} turns, medians")
    for place, name in enumerate(("clock", "processors")):
        ours, theirs, share = (
            statistics.median(each)
            for each in (
                [PASSES * part.rows / ours[place] for _, ours in turns[1:]],
                [PASSES * part.rows / bare[place] for bare, _ in turns[1:]],
                [bare[place] / ours[place] for bare, ours in turns[1:]],
            )
        )
        click.echo(
            f"{name}: bare {theirs:,.0f} rows/s, batch {ours:,.0f} rows/s, "
            f"{100 * share:.0f} %"
        )


async def _measured(work: Awaitable[object]) -> tuple[float, float]:
    """Seconds by the clock, and of processors, here and in the processes below."""
    began, spent = time.perf_counter(), _spent()
    await work
    return time.perf_counter() - began, _spent() - spent


def _spent() -> float:
    times = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(each.user + each.system for each in times)


async def _score(plan: Plan, scorer: Scorer, part: Part) -> None:
    """From the file to the file, `PASSES` times."""
    for _ in range(PASSES):
        await _score_once(plan, scorer, part)


async def _score_once(plan: Plan, scorer: Scorer, part: Part) -> None:
    chunk = await asyncio.to_thread(plan.source.read, part)
    await score_part(plan, scorer, part, chunk)


async def _prepare(scorer: Scorer, chunk: Chunk, contract: Contract) -> list[Tensors]:
    """The rows as the model takes them, in its largest batches."""
    groups: list[Tensors] = []
    given = await asyncio.to_thread(scorer.checked, chunk.given)
    for start in range(0, len(given), 64):
        record = RequestRecord("POST", "", "", {})
        scope = {"type": "http", "servery": scorer.state, "record": record}
        call = ModelCall(Request(scope), contract.name, contract.version)
        found = await scorer.endpoint.read_all(call, given[start : start + 64])
        groups += found.groups
    columns = [np.concatenate(each) for each in zip(*groups, strict=True)]
    size = contract.batch_sizes[-1] if contract.batches(SERVING) else 1
    starts = range(0, len(columns[0]) - size + 1, size)
    return [tuple(each[at : at + size] for each in columns) for at in starts]


def _run(model: Model, batches: list[Tensors]) -> None:
    with ThreadPoolExecutor(CONCURRENT_BATCHES) as threads:
        for _ in range(PASSES):
            list(threads.map(lambda batch: model.run(SERVING, batch), batches))


if __name__ == "__main__":
    main()

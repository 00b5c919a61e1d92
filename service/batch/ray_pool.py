"""A run on a Ray cluster: parts are computed by a pool of actors, an engine in each.

    driver ─ numbers of parts ─▶ map_batches ─┬─▶ actor: read, score, write ─┬─▶ counts
                                              └─▶ actor: read, score, write ─┘

Rows never go through Ray: who computes a part reads it and writes it, so input, output
and models lie where all machines find them by the same names. An actor that dies is
started again, and its part computed again; as its file is there whole or not at all,
nothing is lost by that, and nothing is there twice.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from service.batch.errors import BatchError
from service.batch.local import Done, score_part
from service.batch.plan import Plan
from service.batch.scorer import Scorer, open_scorer
from service.batch.sources import Part
from service.settings import Settings

CORES = 2  # of one engine: HTTP has no share in it, and two batches run at once
TRIES = 10  # of an actor, and of a part on it, should the machine be at fault
QUIET = {"include_dashboard": False, "log_to_driver": False}


def run_ray(
    plan: Plan,
    parts: Sequence[Part],
    settings: Settings,
    done: Done,
    *,
    workers: int | None = None,
) -> None:
    """Score these parts by the cluster that RAY_ADDRESS names, or one of this machine.

    Args:
        plan: What is to be done.
        parts: Those that are left.
        settings: See there; each engine takes them.
        done: Told the rows of a part that is written, and how many are in error.
        workers: Engines; None: one for every `CORES` of the cluster.

    Raises:
        BatchError: A row is not at fault; or an actor died too often.
    """
    if not ray.is_initialized():
        ray.init(**QUIET)
    cores = ray.cluster_resources().get("CPU", 1)
    each = min(CORES, cores)
    size = min(workers or max(1, int(cores // each)), len(parts))
    if workers:
        each = min(each, cores / size)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    try:
        for found in _score(plan, parts, settings, size, each):
            if found["problem"]:
                raise BatchError(found["problem"])
            done(found["rows"], found["errors"])
    except RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BatchError(f"The pool of engines has failed: {reason}") from error


def _score(
    plan: Plan, parts: Sequence[Part], settings: Settings, size: int, cores: float
) -> Iterator[dict[str, Any]]:
    by_number = {part.number: part for part in parts}
    numbers = [{"number": number} for number in by_number]
    shared = ray.put((plan, by_number, settings))
    scored = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
        PartScorer,
        fn_constructor_args=([shared],),  # in a list, so that each actor fetches it
        batch_size=1,
        compute=ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
        num_cpus=cores,
        max_restarts=TRIES,
        max_task_retries=TRIES,
    )
    rows: Iterator[dict[str, Any]] = scored.iter_rows()
    return rows


class PartScorer:
    """An actor of the pool, with an engine of its own.

    Args:
        shared: What is to be done, in Ray's store.
    """

    def __init__(self, shared: list[Any]):
        self._plan, self._parts, settings = ray.get(shared[0])
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._problem = ""
        try:
            self._scorer = self._wait(self._open(settings))
        except BatchError as error:  # told with the first part, not tried for ever
            self._problem = str(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """The rows of parts that are written now, and how many are in error."""
        found = [self._score(self._parts[int(each)]) for each in batch["number"]]
        return {
            "rows": [each[0] for each in found],
            "errors": [each[1] for each in found],
            "problem": [each[2] for each in found],
        }

    def _score(self, part: Part) -> tuple[int, int, str]:
        errors = self._plan.output.count_errors(part)  # there, if this is a retry
        if errors is not None:
            return part.rows, errors, ""
        if self._problem:
            return 0, 0, self._problem
        try:
            chunk = self._plan.source.read(part)
            work = score_part(self._plan, self._scorer, part, chunk)
            return part.rows, self._wait(work), ""
        except BatchError as error:
            return 0, 0, str(error)

    async def _open(self, settings: Settings) -> Scorer:
        self._stack = (
            AsyncExitStack()
        )  # until the actor ends, and its processes with it
        opened = open_scorer(self._plan.asked, self._plan.takes, settings)
        return await self._stack.enter_async_context(opened)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

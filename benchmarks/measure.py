"""One server's turn: every target at every load, in short rounds.

What other programs spoiled is measured once more.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from tqdm import tqdm

from benchmarks import processes
from benchmarks.bare import BareModel
from benchmarks.load import Load, LoadError, run_load
from benchmarks.results import Sample, Turn, Upkeep, keep
from benchmarks.servers import Running, ServerError
from benchmarks.subjects import Target, loads

BUSY_CONNECTIONS = 8  # to warm up
SPOILED = 0.1  # share of the machine that others took during a sample


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything is measured.

    Attributes:
        rounds: Of all targets of a server at all loads; Servery, which has a turn
            before and after every other server, has half of them in each.
        seconds: Of one load in one round.
        warm_seconds: Of load for each target before the first round.
        idle_seconds: For which nothing is asked, after the load.
        again_seconds: After the rounds of one turn, for what others spoiled.
        starts: Of the service.
    """

    rounds: int
    seconds: int
    warm_seconds: int
    idle_seconds: float
    again_seconds: float
    starts: int


FULL = Plan(2, 2, 1, 2.0, 6.0, 3)
QUICK = Plan(1, 1, 1, 2.0, 3.0, 1)

LONG = {("photo", 8): 4}
"""By model and connections, a load that takes so many times as long.

What is under way when a load ends is not counted: of photos, too much of two seconds.
"""

Step = tuple[Target, int]
"""A target at a load."""


class Bench:
    """Measures one server after the other.

    Args:
        plan: How long.
        bodies: By the name of the target, the folder with its requests.
        failed: Where it is said who could not be measured, and why.
    """

    def __init__(
        self, plan: Plan, bodies: Mapping[str, Path], failed: dict[str, str]
    ) -> None:
        self.plan = plan
        self._bodies = bodies
        self._failed = failed

    def warm(self, server: Running, targets: Sequence[Target]) -> None:
        """Let every target run in; a slow one may answer nothing in so short a time."""
        for target in targets:
            with suppress(LoadError):
                self.load(server, target, BUSY_CONNECTIONS, self.plan.warm_seconds)

    def turn(self, server: Running, targets: Sequence[Target], rounds: int) -> Turn:
        """Measure a server that has run in."""
        steps = list(schedule(rounds, targets))
        with tqdm(steps, desc=f"{server.server.name:32}", unit="load") as bar:
            taken = [sample for step in bar if (sample := self._sample(server, step))]
        taken += self._again(server, targets, taken)
        upkeep = self._upkeep(server)
        turn = Turn(server.server.name, taken, upkeep=upkeep, measured=len(taken))
        return keep(turn, rounds)

    def load(
        self, server: Running, target: Target, connections: int, seconds: int
    ) -> Load:
        """Ask one target.

        Raises:
            LoadError: It answers nothing.
        """
        return run_load(
            server.url(target.path),
            self._bodies[target.name],
            target.media_type,
            connections=connections,
            seconds=seconds,
        )

    def _again(
        self, server: Running, targets: Sequence[Target], taken: Sequence[Sample]
    ) -> list[Sample]:
        """Measure what was spoiled once more, and again, for a limited time."""
        by_name = {target.name: target for target in targets}
        spoiled = deque(sample for sample in taken if sample.others > SPOILED)
        again: list[Sample] = []
        until = time.monotonic() + self.plan.again_seconds
        while spoiled and time.monotonic() < until:
            waiting = spoiled.popleft()
            step = by_name[waiting.target], waiting.connections
            sample = self._sample(server, step)
            if sample:
                again.append(sample)
                if sample.others > SPOILED:
                    spoiled.append(sample)
        return again

    def _sample(self, server: Running, step: Step) -> Sample | None:
        """Measure one step; None, and a line in `failed`, if nothing is answered."""
        target, connections = step
        watch = processes.Watch()
        rows, batches = _read_batches(server)
        cpu_s = processes.cpu_seconds(server.process.pid)
        try:
            seconds = self.plan.seconds * LONG.get((target.model, connections), 1)
            load = self.load(server, target, connections, seconds)
        except LoadError as error:
            self._failed[f"{target.name}, {connections} connections"] = str(error)
            return None
        cpu_s = processes.cpu_seconds(server.process.pid) - cpu_s
        others = watch.others()
        now_rows, now_batches = _read_batches(server)
        about = target.name, target.model, connections
        return Sample(
            *about, load, cpu_s, now_rows - rows, now_batches - batches, others
        )

    def _upkeep(self, server: Running) -> Upkeep:
        time.sleep(self.plan.idle_seconds / 2)  # to settle
        pid, began = server.process.pid, time.monotonic()
        cpu_s = processes.cpu_seconds(pid)
        time.sleep(self.plan.idle_seconds)
        cpu_s = processes.cpu_seconds(pid) - cpu_s
        return Upkeep(cpu_s / (time.monotonic() - began), processes.memory(pid))


def schedule(rounds: int, targets: Sequence[Target]) -> Iterator[Step]:
    """What is measured after what: in the other direction every second round.

    A drift of the machine's speed then favours no load. Only digits has more than one
    round.
    """
    steps = [(target, number) for target in targets for number in loads(target)]
    digits = [step for step in steps if step[0].model == "digits"]
    yield from steps
    for number in range(1, rounds):
        yield from reversed(digits) if number % 2 else digits


def measure_bare(bare: BareModel, name: str, plan: Plan, sizes: Sequence[int]) -> Turn:
    """The turn of the model without a server."""
    found = []
    for size in (size for _ in range(plan.rounds) for size in sizes):
        watch = processes.Watch()
        one = bare.measure(size, plan.seconds)
        found.append(replace(one, others=watch.others()))
    return Turn(name, bare=found, measured=len(found))


def parse_batches(exposition: str) -> tuple[float, float]:
    """The rows in all batches so far, and the batches, of all models together."""
    totals = {"servery_batch_rows_sum": 0.0, "servery_batch_rows_count": 0.0}
    for line in exposition.splitlines():
        name = line.partition("{")[0]
        if name in totals:
            totals[name] += float(line.rpartition(" ")[2])
    rows, batches = totals.values()
    return rows, batches


def _read_batches(server: Running) -> tuple[float, float]:
    if server.server.metrics is None:
        return 0.0, 0.0
    url = server.url(server.server.metrics)
    try:
        return parse_batches(httpx.get(url, timeout=30, trust_env=False).text)
    except httpx.HTTPError as error:
        raise ServerError(f"{server.server.name} is gone: {error!r}") from error

"""The run: every target at every load, in short rounds that take turns.

So whatever else happens on the machine happens to all alike, and a ratio of two medians
is worth more than either. What other programs spoiled is measured once more.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx
from tqdm import tqdm

from benchmarks import processes
from benchmarks.bare import SIZES, BareModel
from benchmarks.load import Load, run_load
from benchmarks.results import Results, Sample, Upkeep
from benchmarks.servers import Running
from benchmarks.subjects import CONNECTIONS, Target

T = TypeVar("T")

SETTLE_S = 2.0  # between load and idleness
BUSY_CONNECTIONS = 32  # to warm up, and to reach `Plan.requests`
LONGEST_S = 60  # that reaching them may take
SPOILED = 0.1  # share of the machine that others took during a sample


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything is measured.

    Attributes:
        rounds: Of all targets at all loads; medians are over them.
        seconds: Of one load in one round.
        bare_seconds: Of one batch size of the bare model in one round.
        warm_seconds: Of load for each target before the first round.
        idle_seconds: For which nothing is asked, before and after the load.
        again_seconds: After the rounds, for what others spoiled.
        requests: Each server has answered at least so many when memory is read again,
            where it can within a minute.
    """

    rounds: int
    seconds: int
    bare_seconds: float
    warm_seconds: int
    idle_seconds: float
    again_seconds: float
    requests: int


FULL = Plan(9, 1, 0.5, 2, 10.0, 120.0, 100_000)
QUICK = Plan(2, 1, 0.3, 1, 3.0, 10.0, 0)

Step = int | tuple[Target, int]
"""A batch size of the bare model, or a target at a load."""


class Bench:
    """One run.

    Args:
        plan: How long.
        servers: By name; all are up from first to last, and idle while not measured.
        targets: What is loaded.
        bodies: By media type, the folder with the bodies of requests.
        bare: The model without a server.
    """

    def __init__(
        self,
        plan: Plan,
        servers: dict[str, Running],
        targets: Sequence[Target],
        bodies: dict[str, Path],
        bare: BareModel,
    ):
        self._plan = plan
        self._servers = servers
        self._targets = targets
        self._bodies = bodies
        self._bare = bare
        self._results = Results()

    def run(self) -> Results:
        """Measure everything, with a bar that shows how far it is."""
        plan, results = self._plan, self._results
        results.before = self._upkeep()
        for target in _shown(self._targets, "warming up"):
            self._load(target, BUSY_CONNECTIONS, plan.warm_seconds)
        self._again(self._rounds())
        results.keep(plan.rounds)
        self._fill_up()
        time.sleep(SETTLE_S)
        results.after = self._upkeep()
        return results

    def _rounds(self) -> list[Step]:
        """Measure every step, and return those that others spoiled."""
        steps = list(schedule(self._plan.rounds, self._targets))
        bar = _shown(steps, "measuring")
        return [step for step in bar if self._measure(step, bar) > SPOILED]

    def _again(self, spoiled: list[Step]) -> None:
        """Measure what was spoiled once more, and again, for a limited time."""
        until = time.monotonic() + self._plan.again_seconds
        with _shown(spoiled, "once more") as bar:
            waiting = deque(spoiled)
            while waiting and time.monotonic() < until:
                step = waiting.popleft()
                if self._measure(step, bar) > SPOILED:
                    waiting.append(step)
                else:
                    bar.update()

    def _measure(self, step: Step, bar: "tqdm[Step]") -> float:
        """Measure one step; the share of the machine that others took meanwhile."""
        self._results.measured += 1
        watch = processes.Watch()
        if isinstance(step, int):
            bar.set_postfix_str(f"bare model, {step} images")
            bare = self._bare.measure(step, self._plan.bare_seconds)
            others = watch.others()
            self._results.bare[step].append(replace(bare, others=others))
        else:
            target, connections = step
            bar.set_postfix_str(f"{target.name}, {connections} connections")
            sample = self._sample(target, connections)
            others = watch.others()
            key = target.name, connections
            self._results.samples[key].append(replace(sample, others=others))
        return others

    def _sample(self, target: Target, connections: int) -> Sample:
        server = self._servers[target.server]
        rows, batches = _read_batches(server)
        cpu_s = processes.cpu_seconds(server.process.pid)
        load = self._load(target, connections, self._plan.seconds)
        cpu_s = processes.cpu_seconds(server.process.pid) - cpu_s
        now_rows, now_batches = _read_batches(server)
        return Sample(load, cpu_s, now_rows - rows, now_batches - batches)

    def _load(self, target: Target, connections: int, seconds: int) -> Load:
        load = run_load(
            self._servers[target.server].url(target.path),
            self._bodies[target.media_type],
            target.media_type,
            connections=connections,
            seconds=seconds,
        )
        self._results.answered[target.server] += load.requests
        return load

    def _fill_up(self) -> None:
        """Have each server answer as many requests as planned."""
        first = {each.server: each for each in reversed(self._targets)}
        for target in _shown(list(first.values()), "filling up"):
            missing = self._plan.requests - self._results.answered[target.server]
            if missing > 0:
                load = self._results.samples[target.name, BUSY_CONNECTIONS][-1].load
                seconds = math.ceil(missing / load.requests * load.seconds)
                self._load(target, BUSY_CONNECTIONS, min(seconds, LONGEST_S))

    def _upkeep(self) -> dict[str, Upkeep]:
        pids = {name: each.process.pid for name, each in self._servers.items()}
        before = {name: processes.cpu_seconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        for _ in _shown(range(10), "idle"):
            time.sleep(self._plan.idle_seconds / 10)
        after = {name: processes.cpu_seconds(pid) for name, pid in pids.items()}
        seconds = time.monotonic() - began
        return {
            name: Upkeep((after[name] - before[name]) / seconds, processes.memory(pid))
            for name, pid in pids.items()
        }


def schedule(rounds: int, targets: Sequence[Target]) -> Iterator[Step]:
    """What is measured after what.

    Targets take turns at each load, in the other direction every second round: a drift
    of the machine's speed then favours nobody.
    """
    for number in range(rounds):
        yield from SIZES
        for connections in CONNECTIONS:
            turn = [each for each in targets if connections in each.connections]
            for target in reversed(turn) if number % 2 else turn:
                yield target, connections


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
    return parse_batches(httpx.get(server.url(server.server.metrics), timeout=30).text)


def _shown(steps: Sequence[T], what: str) -> "tqdm[T]":
    return tqdm(steps, desc=f"{what:10}", unit="step", leave=True)

"""The order of a run: Servery and another server take turns, a few seconds each.

    everyone: Servery, mosec, Servery, LitServe, …     one round, finds who is fast
    contenders: Servery, mosec, mosec, Servery, …      the other rounds of the promises

One server is loaded at a time; Servery is up, and idle, while another is measured.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from tqdm import tqdm

from benchmarks.bare import bare_model
from benchmarks.load import Load, LoadError, run_load
from benchmarks.processes import Watch, cpu_seconds, memory
from benchmarks.results import Key, Pair, Results, Sample
from benchmarks.servers import Running, running
from benchmarks.subjects import BARE, SERVERY, WITHOUT_MODEL, Subject, Target
from benchmarks.workloads import (
    WORK,
    Prediction,
    ask,
    check_answers,
    make_bodies,
    write_bodies,
)
from service.contract.manifest import read_manifest

SPOILED = 0.1  # share of the machine that others took; such a pair is measured again
WARM_CONNECTIONS, WARM_S = 8, 1
SETTLE_S = 2  # after a load, before a server is called idle
HEAVY, LIGHT = ("photo", 8), ("digits", 1)  # connections
HEAD_START_S = 2  # until the heavy model's queue is full
LONG = {("photo", 8): 3}
"""By model and connections, a load that takes so many times as long.

What is under way when a load ends is not counted: of photos, too much of three seconds.
"""
SIZES = (1, 8, 32)  # rows in a call of a bare model

Step = tuple[Target, int]
"""A target, and connections."""

Measure = Callable[[Target, int], Sample]
"""Measures a step."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything is measured."""

    rounds: int = 5  # of whatever a promise rests on
    seconds: int = 3  # of one load in one round
    idle_s: float = 30.0  # for which nothing is asked of Servery; `rounds` times
    other_idle_s: float = 5.0  # the same of another server, once


QUICK = Plan(1, 1, 2.0, 2.0)


@dataclass(frozen=True, slots=True)
class Opponent:
    """Who is measured beside Servery."""

    name: str  # in messages
    targets: list[Target]  # all of its
    open: Callable[[], AbstractContextManager[Measure]]  # makes it ready, and ends it


class Course:
    """One run, or what is left of one."""

    def __init__(
        self, plan: Plan, results: Results, save: Callable[[], None], folder: Path
    ):
        self._plan, self._results = plan, results
        self._save, self._folder = save, folder
        self._bodies: dict[str, Path] = {}
        self._expected: dict[str, list[Prediction]] = {}

    def server(self, subject: Subject) -> Opponent:
        """A server as an opponent."""
        return Opponent(subject[0].name, subject[1], partial(self._open, subject))

    def bare(self, model: str, folder: Path, threads: int) -> Opponent:
        """A model without a server as an opponent, at several sizes of a call."""
        name = f"{BARE}, {model}"
        sizes = tuple(sorted({*SIZES, max(read_manifest(folder).batch_sizes)}))
        beside = HEAVY[1] if model == HEAVY[0] else max(SIZES)
        target = Target(name, "", model=model, connections=sizes, beside=beside)
        opening = partial(self._open_bare, model, folder, threads)
        return Opponent(name, [target], opening)

    def run(
        self,
        ours: Subject,
        others: Collection[Opponent],
        choose: Callable[[], Collection[Key]],
    ) -> None:
        """Measure everyone once, and the contenders until all rounds are there.

        Args:
            ours: Servery; the first target of each model is what others are held
                against, the rest are measured as others are.
            others: One after the other.
            choose: After the first round, what promises rest on.

        Raises:
            ServerError: Servery does not start, or answers wrongly.
            click.ClickException: It answers nothing.
        """
        name, first = ours[0].name, {one.model: one for one in reversed(ours[1])}
        with self._open(ours) as measure:

            def own(target: Target, connections: int) -> Sample:
                try:
                    return measure(target, connections)
                except LoadError as error:
                    raise click.ClickException(f"{name}: {error}") from error

            more = [target for target in ours[1] if target not in first.values()]
            every = [Opponent(name, more, lambda: nullcontext(own)), *others]
            for one in every:
                keys = {key for key, _ in _steps(one)}
                self._play(one, own, first, dict.fromkeys(keys, 1))
            chosen = dict.fromkeys(choose(), self._plan.rounds)
            for one in every:
                self._play(one, own, first, chosen)
            if HEAVY[0] in first:
                self._compare_weights(own, first)

    def _play(
        self,
        one: Opponent,
        own: Measure,
        first: Mapping[str, Target],
        wanted: Mapping[Key, int],
    ) -> None:
        """Measure an opponent until it has as many rounds of each key as are wanted."""
        done = self._results.rounds()
        missing = {step: wanted.get(key, 0) - done[key] for key, step in _steps(one)}
        turns = schedule(missing)
        if not turns:
            return
        self._results.failed.pop(one.name, None)
        try:
            with one.open() as measure:
                for number, (target, load) in tqdm(turns, desc=f"{one.name:32}"):
                    name = f"{target.name}, {load} connections"
                    theirs = partial(measure, target, load)
                    beside = partial(own, first[target.model], target.beside or load)
                    try:
                        pair = measure_pair(theirs, beside, number)
                    except LoadError as error:
                        self._note(name, error)
                        continue
                    self._results.failed.pop(name, None)
                    self._results.pairs.append(pair)
                    self._save()
        except (RuntimeError, OSError) as error:
            self._note(one.name, error)

    def _note(self, name: str, error: Exception) -> None:
        click.echo(f"{name}: {error}", err=True)
        self._results.failed[name] = shorten(str(error))
        self._save()

    @contextmanager
    def _open(self, subject: Subject) -> Iterator[Measure]:
        """Start a server, check its answers, let it run in; at last see it idle.

        Servery, the first, sets what is expected of the rest.
        """
        server, targets = subject
        with running(server, self._folder) as started:
            for target in targets:
                received = ask(target, started.url())
                if target.name != WITHOUT_MODEL:
                    truth = WORK[target.model]().truth or received
                    expected = self._expected.setdefault(target.model, truth)
                    check_answers(target, received, expected)
                with suppress(LoadError):  # a slow one may answer nothing so soon
                    self._load(started, target, WARM_CONNECTIONS, WARM_S)
            yield partial(self._sample, started)
            self._rest(started)

    @contextmanager
    def _open_bare(self, model: str, folder: Path, threads: int) -> Iterator[Measure]:
        with bare_model(model, folder, threads) as call:

            def measure(target: Target, size: int) -> Sample:
                watch = Watch()
                load = call(size, self._plan.seconds)
                return Sample(target.name, model, size, load, watch.others())

            yield measure

    def _sample(self, server: Running, target: Target, connections: int) -> Sample:
        watch = Watch()
        seconds = self._plan.seconds * LONG.get((target.model, connections), 1)
        load = self._load(server, target, connections, seconds)
        return Sample(target.name, target.model, connections, load, watch.others())

    def _load(
        self, server: Running, target: Target, connections: int, seconds: int
    ) -> Load:
        if target.name not in self._bodies:
            bodies = make_bodies(target)
            self._bodies[target.name] = write_bodies(bodies, self._folder)
        asked = server.url(target.path), self._bodies[target.name], target.media_type
        load = partial(run_load, connections=connections, seconds=seconds)
        return server.measure(partial(load, *asked))

    def _rest(self, server: Running) -> None:
        """Memory, and the processor's time while nobody asks."""
        name, pid = server.server.name, server.process.pid
        times, seconds = self._plan.rounds, self._plan.idle_s
        if name != SERVERY:
            times, seconds = 1, self._plan.other_idle_s
        self._results.memory[name] = memory(pid)
        idle = self._results.idle.setdefault(name, [])
        time.sleep(SETTLE_S if len(idle) < times else 0)
        while len(idle) < times:
            began, cpu_s = time.monotonic(), cpu_seconds(pid)
            time.sleep(seconds)
            cpu_s = cpu_seconds(pid) - cpu_s
            idle.append(cpu_s / (time.monotonic() - began))
            self._save()

    def _compare_weights(self, own: Measure, first: Mapping[str, Target]) -> None:
        """What a light model suffers when a heavy one is asked without a pause."""
        light, heavy = (
            partial(own, first[model], connections)
            for model, connections in (LIGHT, HEAVY)
        )
        while len(self._results.weights) < self._plan.rounds:
            alone = light()
            with ThreadPoolExecutor(1) as pool:
                pressing = pool.submit(heavy)
                time.sleep(HEAD_START_S)
                beside = light()
                pressing.result()
            self._results.weights.append(Pair(beside, alone))
            self._save()


def schedule(missing: Mapping[Step, int]) -> list[tuple[int, Step]]:
    """Every step as often as it is missing, every second round the other way.

    A drift of the machine's speed then favours nobody.
    """
    turns = []
    for number in range(max(missing.values(), default=0)):
        steps = [(number, step) for step, times in missing.items() if number < times]
        turns += steps[::-1] if number % 2 else steps
    return turns


def measure_pair(
    theirs: Callable[[], Sample], ours: Callable[[], Sample], number: int
) -> Pair:
    """One after the other, in turns first; once more if other programs spoiled it."""

    def once() -> Pair:
        if number % 2:
            return Pair(theirs(), ours())
        our_sample = ours()
        return Pair(theirs(), our_sample)

    def others(pair: Pair) -> float:
        return max(pair.theirs.others, pair.ours.others)

    pair = once()
    return pair if others(pair) <= SPOILED else min(pair, once(), key=others)


def _steps(one: Opponent) -> Iterator[tuple[Key, Step]]:
    for target in one.targets:
        for number in target.loads():
            yield (target.name, target.model, number), (target, number)


def shorten(reason: str) -> str:
    """The last line of a reason that says something, without this machine's paths."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    with suppress(IndexError):
        return re.sub(r"(?<![\w.])/[^\s:'\"]*/", "", lines[-1])[:200]
    return "no reason was given"

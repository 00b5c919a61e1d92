"""The order of a run: Servery, another server, Servery, the next, one at a time.

Servery has a turn before and after every other, so that each of them is held against
what Servery did in the same minutes; between its turns it is up, and idle.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from benchmarks.bodies import Prediction, ask, check_answers, true_digits
from benchmarks.fairness import measure_beside
from benchmarks.measure import Bench
from benchmarks.results import Results, Turn
from benchmarks.servers import Running, running
from benchmarks.subjects import WITHOUT_MODEL, Subject

HEAVY, LIGHT = ("photo", 8), ("digits", 1)  # connections

Others = list[tuple[str, Callable[[], Turn]]]
"""Who is measured between Servery's turns, and how."""


class Course:
    """One run, or what is left of one.

    Args:
        bench: What measures.
        results: To add to; whoever is among them already is left out.
        save: Called whenever there is more.
        folder: For logs.
    """

    def __init__(
        self, bench: Bench, results: Results, save: Callable[[], None], folder: Path
    ):
        self._bench = bench
        self._results = results
        self._save = save
        self._folder = folder
        self._expected: dict[str, list[Prediction]] = {"digits": true_digits()}

    def run(self, ours: Subject, others: Others) -> None:
        """Measure Servery, and every one that has not been, in turn.

        Raises:
            ServerError: Servery does not start, or answers wrongly.
            LoadError: It answers nothing.
        """
        done = {turn.server for turn in self._results.turns}
        missing = [(name, measure) for name, measure in others if name not in done]
        fair = not self._results.alone
        if not missing and not fair:
            return
        server = ours[0]
        with running([server], self._folder) as started:
            own = started[server.name]
            self._prepare(own, ours)
            if fair:
                self._compare_weights(own, ours)
            self._alternate(partial(self._own_turn, own, ours), missing)

    def other_turn(self, other: Subject) -> Turn:
        """Start a server, measure it, end it.

        Raises:
            ServerError: It does not start, or answers wrongly.
            LoadError: It answers nothing.
        """
        server, targets = other
        with running([server], self._folder) as started:
            one = started[server.name]
            self._prepare(one, other)
            return self._bench.turn(one, targets, self._bench.plan.rounds)

    def _alternate(self, own_turn: Callable[[], None], others: Others) -> None:
        own_turn()
        for name, measure in others:
            self._results.failed.pop(name, None)
            try:
                turn = measure()
            except (RuntimeError, OSError) as error:
                click.echo(f"{name}: {error}", err=True)
                self._results.failed[name] = shorten(str(error))
                self._save()
                continue
            self._results.turns.append(turn)
            self._save()
            if _is_whole(turn):
                own_turn()

    def _own_turn(self, own: Running, ours: Subject) -> None:
        rounds = max(1, self._bench.plan.rounds // 2)
        self._results.turns.append(self._bench.turn(own, ours[1], rounds))
        self._save()

    def _prepare(self, server: Running, subject: Subject) -> None:
        """Check the answers, then let it run in. Servery, the first, sets the rest."""
        for target in subject[1]:
            received = ask(target, server)
            if target.server != WITHOUT_MODEL:
                expected = self._expected.setdefault(target.model, received)
                check_answers(target, received, expected)
        self._bench.warm(server, subject[1])

    def _compare_weights(self, own: Running, ours: Subject) -> None:
        by_model = {target.model: target for target in reversed(ours[1])}
        if HEAVY[0] not in by_model:
            return
        light, heavy = (
            partial(self._bench.load, own, by_model[model], connections)
            for model, connections in (LIGHT, HEAVY)
        )
        for _ in range(self._bench.plan.starts):
            alone, beside = measure_beside(light, heavy, 2 * self._bench.plan.seconds)
            self._results.alone.append(alone)
            self._results.beside.append(beside)
        self._save()


def _is_whole(turn: Turn) -> bool:
    """Whether it asked digits; shorter turns share their neighbours."""
    return any(sample.model == "digits" for sample in turn.samples)


def shorten(reason: str) -> str:
    """The last line of a reason that says something, without this machine's paths."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    with suppress(IndexError):
        return re.sub(r"(?<![\w.])/[^\s:'\"]*/", "", lines[-1])[:200]
    return "no reason was given"

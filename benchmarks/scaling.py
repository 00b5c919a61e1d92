"""How one service would scale from 1 to 16 cores: `python -m benchmarks.scaling`.

A simulation, and no measurement: callers who ask again when they are answered, and the
stages that a request goes through, each with what it was measured to cost.

    caller ─▶ HTTP process ─▶ engine's event loop ─▶ batch ─▶ event loop ─▶ HTTP process
              (several)       (one)                  (two at a time)

Whatever runs takes a core, of which there are so many.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

CORES = (1, 2, 4, 8, 16)
REQUESTS = 6000


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of one core.

    Attributes:
        http: A request in an HTTP process: parsed, decoded, answered.
        loop: A request in the engine's event loop: frames, queue, answer.
        call: A batch, before its first row.
        row: A row of a batch.
        caller: A request at whoever asks, on the same cores; 0 = elsewhere.
    """

    http: float
    loop: float
    call: float
    row: float
    caller: float = 0.0


DIGITS = Costs(http=0.134, loop=0.075, call=0.1, row=0.148)
"""docs/benchmarks.md: HTTP without a model, the bare model with 32 rows; the loop is
what is left of 0.37 ms at 128 connections, less what lies between batches."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a service.

    Attributes:
        cores: That it has.
        http: Its HTTP processes.
        batches: That run at once, of one version.
        most_rows: Of a batch.
    """

    cores: int
    http: int
    batches: int = 2
    most_rows: int = 32


class Simulation:
    """One service under callers who ask again at once.

    Args:
        costs: See there.
        shape: See there.
        callers: How many ask.
    """

    def __init__(self, costs: Costs, shape: Shape, callers: int):
        self._costs, self._shape, self._callers = costs, shape, callers
        self._now, self._answered = 0.0, 0
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, str, Callable[[], None]]] = []
        self._free = {"http": shape.http, "loop": 1, "batch": shape.batches}
        self._cores = shape.cores
        self._busy = dict.fromkeys(self._free, 0.0)
        self._ready: deque[tuple[str, float, Callable[[], None]]] = deque()
        self._rows = 0

    def run(self, requests: int = REQUESTS) -> tuple[float, dict[str, float]]:
        """Requests a second, and the share of its time for which each stage works."""
        for _ in range(self._callers):
            self._ask()
        while self._answered < requests:
            self._now, _, stage, then = heapq.heappop(self._events)
            self._free[stage] += 1
            self._cores += 1
            then()
            self._begin()
        busy = {
            name: min(1.0, self._busy[name] / self._now / count)
            for name, count in (
                ("http", self._shape.http),
                ("loop", 1),
                ("batch", self._shape.batches),
            )
        }
        return 1000 * self._answered / self._now, busy

    def _ask(self) -> None:
        self._want("http", 0.7 * self._costs.http + self._costs.caller, self._arrive)

    def _arrive(self) -> None:
        self._want("loop", 0.6 * self._costs.loop, self._queue)

    def _queue(self) -> None:
        self._rows += 1

    def _answer(self) -> None:
        self._want("http", 0.3 * self._costs.http, self._end)

    def _end(self) -> None:
        self._answered += 1
        self._ask()

    def _want(self, stage: str, cost: float, then: Callable[[], None]) -> None:
        self._ready.append((stage, cost, then))
        self._begin()

    def _begin(self) -> None:
        """Start what can be, in the order in which it was wanted; then a batch."""
        waiting: list[tuple[str, float, Callable[[], None]]] = []
        while self._ready and self._cores:
            job = self._ready.popleft()
            if self._free[job[0]]:
                self._start(*job)
            else:
                waiting.append(job)
        self._ready.extendleft(reversed(waiting))
        while self._rows and self._cores and self._free["batch"]:
            rows = min(self._rows, self._shape.most_rows)
            self._rows -= rows
            cost = self._costs.call + rows * self._costs.row
            self._start("batch", cost, lambda rows=rows: self._deliver(rows))  # type: ignore[misc]

    def _start(self, stage: str, cost: float, then: Callable[[], None]) -> None:
        self._free[stage] -= 1
        self._cores -= 1
        self._busy[stage] += cost
        event = (self._now + cost, next(self._numbers), stage, then)
        heapq.heappush(self._events, event)

    def _deliver(self, rows: int) -> None:
        for _ in range(rows):
            self._ready.append(("loop", 0.4 * self._costs.loop, self._answer))


def rows(costs: Costs, callers: int) -> Iterator[tuple[Shape, float, dict[str, float]]]:
    """For each number of cores the shape of the defaults, and what comes of it."""
    for cores in CORES:
        shape = Shape(cores, http=max(1, cores // 2), batches=min(2, cores))
        yield shape, *Simulation(costs, shape, callers).run()


@click.command()
@click.option("--callers", type=int, default=256, show_default=True)
def main(callers: int) -> None:
    """Print a table of digits by cores, as docs/scaling.md has it."""
    click.echo("| cores | HTTP processes | requests/s | HTTP | event loop | batches |")
    click.echo("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for shape, rate, busy in rows(DIGITS, callers):
        shares = " | ".join(f"{100 * busy[each]:.0f} %" for each in busy)
        click.echo(f"| {shape.cores} | {shape.http} | {rate:,.0f} | {shares} |")


if __name__ == "__main__":
    main()

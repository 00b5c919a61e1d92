"""The highest rate that holds an objective: doubled until it fails, then halved in.

No clock, no network: the probe is a function, which the command line makes a load test
and a test makes whatever it likes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

CONFIRMATIONS = 4  # tries to confirm, each a tolerance lower than the last


class Step(StrEnum):
    """Why a rate is tried."""

    GROW = "grow"
    NARROW = "narrow"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was tried."""

    step: Step
    rate: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """What the search found.

    Attributes:
        rate: The highest that held and was confirmed; None if none was.
        failed: The lowest that failed; None where the search ended at the most.
        probes: All of them, in order.
    """

    rate: float | None
    failed: float | None
    probes: tuple[Probe, ...]


Try = Callable[[Step, float], bool]


def find_limit(attempt: Try, start: float, most: float, tolerance: float) -> Limit:
    """Search the highest rate that holds.

    Args:
        attempt: Says whether a rate holds. A rate that fails is tried once more: one
            hiccup is no limit.
        start: Requests a second to begin with, above 0.
        most: Beyond which is not searched.
        tolerance: How far above the answer a rate that fails may be, as a share of it.

    Returns:
        The limit, within the tolerance if the service behaves alike each time.
    """
    search = _Search(attempt)
    holds, fails = search.bracket(start, most)
    while holds and fails and fails > holds * (1 + tolerance):
        middle = (holds * fails) ** 0.5
        if search.holds(Step.NARROW, middle):
            holds = middle
        else:
            fails = middle
    for rate in _downwards(holds, tolerance):
        if search.holds(Step.CONFIRM, rate):
            return Limit(rate, fails, tuple(search.probes))
        fails = rate
    return Limit(None, fails, tuple(search.probes))


class _Search:
    def __init__(self, attempt: Try):
        self._attempt = attempt
        self.probes: list[Probe] = []

    def holds(self, step: Step, rate: float) -> bool:
        """Whether it holds, at the first try or the second."""
        tries = 1 if step is Step.CONFIRM else 2
        return any(self._once(step, rate) for _ in range(tries))

    def _once(self, step: Step, rate: float) -> bool:
        held = self._attempt(step, rate)
        self.probes.append(Probe(step, rate, held))
        return held

    def bracket(self, start: float, most: float) -> tuple[float, float | None]:
        """A rate that holds, 0 if there is none, and one that fails, if there is."""
        rate = start
        if self.holds(Step.GROW, rate):
            while rate < most:
                following = min(2 * rate, most)
                if not self.holds(Step.GROW, following):
                    return rate, following
                rate = following
            return rate, None
        while rate > 1:
            lower = max(rate / 2, 1.0)
            if self.holds(Step.GROW, lower):
                return lower, rate
            rate = lower
        return 0.0, rate


def _downwards(rate: float, tolerance: float) -> Iterator[float]:
    for _ in range(CONFIRMATIONS if rate else 0):
        yield rate
        rate /= 1 + tolerance

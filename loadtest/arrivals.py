"""When the requests of an open loop are meant to be sent: rates, and arrival times.

An open loop sends by the clock, whatever becomes of earlier requests, as independent
users do, so a server that stalls is not spared (Schroeder, Wierman and Harchol-Balter,
"Open Versus Closed: A Cautionary Tale", NSDI 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

EDGE_S = 1e-6  # a jump of the rate, as a very steep slope
GRID = 10_000  # points between which a rate is taken to be constant


@dataclass(frozen=True, slots=True)
class Rates:
    """A rate that changes with time: straight lines between points.

    Attributes:
        times_s: Of the points, rising from 0; the last is the end of the test.
        rates: Requests/s at each of them, 0 or more.
    """

    times_s: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def duration_s(self) -> float:
        """Length of the test."""
        return self.times_s[-1]

    def total(self) -> float:
        """Requests meant to be sent in the whole test."""
        return float(np.trapezoid(self.rates, self.times_s))

    def when(self, counts: Floats) -> Floats:
        """When, in seconds, so many requests (0 to `total`) should have been sent."""
        times = np.union1d(np.linspace(0, self.duration_s, GRID), self.times_s)
        rates = np.interp(times, self.times_s, self.rates)
        pieces = np.diff(times) * (rates[1:] + rates[:-1]) / 2
        return np.interp(counts, np.concatenate([[0.0], np.cumsum(pieces)]), times)


def constant(rate: float, duration_s: float) -> Rates:
    """The same rate all the time."""
    return Rates((0, duration_s), (rate, rate))


def stretches(*parts: tuple[float, float]) -> Rates:
    """Seconds, and requests/s in them, one after the other."""
    ends = list(accumulate(seconds for seconds, _ in parts))
    inner = [time for end in ends[:-1] for time in (end, end + EDGE_S)]
    rates = tuple(rate for _, rate in parts for _ in range(2))
    return Rates((0, *inner, ends[-1]), rates)


def levels(rates: Sequence[float], duration_s: float) -> Rates:
    """These rates, each for an equal part of the time."""
    return stretches(*((duration_s / len(rates), rate) for rate in rates))


def with_warmup(rates: Rates, warmup_s: float) -> Rates:
    """The same, after a time at its first rate."""
    if not warmup_s:
        return rates
    times = (0.0, *(warmup_s + time for time in rates.times_s))
    return Rates(times, (rates.rates[0], *rates.rates))


class Profile(StrEnum):
    """How the rate changes over time."""

    CONSTANT = "constant"
    RAMP = "ramp"
    STEPS = "steps"
    SPIKE = "spike"  # for the middle fifth of the time
    SOAK = "soak"  # constant, for long

    def rates(self, rate: float, top: float, duration_s: float, steps: int) -> Rates:
        """From `rate` to `top`, in so many steps if it is in steps."""
        if self is Profile.RAMP:
            return Rates((0, duration_s), (rate, top))
        if self is Profile.STEPS:
            return levels(np.linspace(rate, top, steps).tolist(), duration_s)
        if self is Profile.SPIKE:
            return levels((rate, rate, top, rate, rate), duration_s)
        return constant(rate, duration_s)


class Arrivals(StrEnum):
    """How requests are spaced."""

    POISSON = "poisson"  # as independent users come: gaps are exponential
    CONSTANT = "constant"


def schedule(rates: Rates, arrivals: Arrivals, rng: np.random.Generator) -> Floats:
    """The times at which requests are meant to be sent.

    A Poisson process of a changing rate is one of rate 1 whose clock is bent by the
    cumulative rate; its times are uniform, given how many there are (Çinlar,
    "Introduction to Stochastic Processes", 1975, 4.6 and 4.7).

    Returns:
        float64 (requests,), rising, seconds from the start, before the end.
    """
    total = rates.total()
    if arrivals is Arrivals.CONSTANT:
        return rates.when(np.arange(int(np.ceil(total)), dtype=np.float64))
    return rates.when(np.sort(rng.uniform(0, total, rng.poisson(total))))

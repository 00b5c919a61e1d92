"""How many requests a second are meant to be sent, over the time of a load test."""

from dataclasses import dataclass

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

SPIKE = (0.4, 0.6)  # the part of a test's time in which a spike stands
EDGE_S = 1e-6  # a jump of the rate, as a very steep slope


@dataclass(frozen=True, slots=True)
class Rates:
    """A rate that changes with time: straight lines between points.

    Attributes:
        times_s: Of the points, rising from 0; the last is the end of the test.
        rates: Requests a second at each of them, 0 or more.
    """

    times_s: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def duration_s(self) -> float:
        """How long the test is."""
        return self.times_s[-1]

    def cumulative(self) -> Floats:
        """Requests meant to be sent up to each point, float64 (points,)."""
        rates = np.asarray(self.rates)
        steps = np.diff(self.times_s) * (rates[1:] + rates[:-1]) / 2
        return np.concatenate([[0.0], np.cumsum(steps)])

    def when(self, counts: Floats) -> Floats:
        """When so many requests are meant to have been sent.

        Args:
            counts: float64 (n,), rising, 0 to the last of `cumulative`.

        Returns:
            float64 (n,), seconds from the start.
        """
        ends = self.cumulative()
        last = len(self.rates) - 2
        piece = np.clip(np.searchsorted(ends, counts, "right") - 1, 0, last)
        times, rates = np.asarray(self.times_s), np.asarray(self.rates)
        length = times[piece + 1] - times[piece]
        first = rates[piece]
        slope = (rates[piece + 1] - first) / length
        missing = counts - ends[piece]
        # Of slope/2·t² + first·t = missing the root that does not divide by the slope.
        root = np.sqrt(np.maximum(first**2 + 2 * slope * missing, 0))
        below = np.where(first + root > 0, first + root, 1)
        return np.asarray(times[piece] + np.clip(2 * missing / below, 0, length))


def constant(rate: float, duration_s: float) -> Rates:
    """The same rate all the time."""
    return Rates((0, duration_s), (rate, rate))


def ramp(rate: float, to_rate: float, duration_s: float) -> Rates:
    """From one rate to another, evenly."""
    return Rates((0, duration_s), (rate, to_rate))


def steps(rate: float, to_rate: float, duration_s: float, count: int) -> Rates:
    """From one rate to another in so many steps of equal length and height."""
    heights = np.linspace(rate, to_rate, count).tolist()
    edges = np.linspace(0, duration_s, count + 1).tolist()
    times = [edges[0]]
    for edge in edges[1:-1]:
        times += [edge - EDGE_S, edge]
    return Rates((*times, edges[-1]), tuple(h for h in heights for _ in range(2)))


def spike(rate: float, to_rate: float, duration_s: float) -> Rates:
    """One rate, and for the middle fifth of the time another."""
    rise, fall = (share * duration_s for share in SPIKE)
    times = (0, rise - EDGE_S, rise, fall - EDGE_S, fall, duration_s)
    return Rates(times, (rate, rate, to_rate, to_rate, rate, rate))


def with_warmup(rates: Rates, warmup_s: float) -> Rates:
    """The same, after a time at its first rate."""
    if not warmup_s:
        return rates
    times = (0.0, *(warmup_s + time for time in rates.times_s))
    return Rates(times, (rates.rates[0], *rates.rates))

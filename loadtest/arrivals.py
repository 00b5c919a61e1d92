"""When the requests of an open loop are meant to be sent.

An open loop sends by the clock, whatever becomes of the requests before, as many
independent users do; so a server that stalls is not spared (Schroeder, Wierman and
Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006).
"""

from enum import StrEnum

import numpy as np

from loadtest.rates import Floats, Rates

SPARE = 6  # standard deviations of a Poisson count to draw beyond its mean


class Arrivals(StrEnum):
    """How far apart requests are."""

    POISSON = "poisson"
    """As independent users come: gaps are exponential."""

    CONSTANT = "constant"
    """Evenly, like a metronome."""


def schedule(rates: Rates, arrivals: Arrivals, rng: np.random.Generator) -> Floats:
    """The times at which requests are meant to be sent.

    A Poisson process of a changing rate is one of rate 1, its clock bent by the
    cumulative rate (Çinlar, "Introduction to Stochastic Processes", 1975, 4.7).

    Args:
        rates: Requests a second over time.
        arrivals: The gaps between them.
        rng: Where chance comes from; the same gives the same times.

    Returns:
        float64 (requests,), rising, seconds from the start, before the end.
    """
    total = float(rates.cumulative()[-1])
    if arrivals is Arrivals.CONSTANT:
        return rates.when(np.arange(int(np.ceil(total)), dtype=np.float64))
    counts = np.cumsum(rng.exponential(size=int(total + SPARE * total**0.5) + SPARE))
    while counts[-1] < total:  # about once in a billion times
        more = rng.exponential(size=len(counts))
        counts = np.concatenate([counts, counts[-1] + np.cumsum(more)])
    return rates.when(counts[counts < total])
